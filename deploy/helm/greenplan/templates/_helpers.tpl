{{- define "greenplan.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 52 | trimSuffix "-" -}}
{{- else -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- if contains $name .Release.Name -}}
{{- .Release.Name | trunc 52 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 52 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "greenplan.selector" -}}
app.kubernetes.io/name: {{ default .Chart.Name .Values.nameOverride }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "greenplan.labels" -}}
{{ include "greenplan.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end -}}

{{- /* What the schema cannot say about values that have to go together. */ -}}
{{- define "greenplan.check" -}}
{{- if and (not .Values.tls.existingSecret) (not .Values.insecure) -}}
{{- fail "tls.existingSecret is missing; name a Secret with tls.crt and tls.key, or set insecure to true" -}}
{{- end -}}
{{- if and .Values.tls.clientCertificates (not .Values.tls.existingSecret) -}}
{{- fail "tls.clientCertificates is true without tls.existingSecret; the Secret's ca.crt says whom to trust" -}}
{{- end -}}
{{- if and (eq .Values.store.kind "postgresql") (not .Values.store.postgresql.existingSecret) -}}
{{- fail "store.postgresql.existingSecret is missing; name a Secret with the key uri" -}}
{{- end -}}
{{- if and (eq .Values.store.kind "sqlite") .Values.autoscaling.enabled -}}
{{- fail "autoscaling.enabled is true with store.kind sqlite, which is one replica; allowed: with postgresql" -}}
{{- end -}}
{{- if and .Values.autoscaling.enabled (gt (int .Values.autoscaling.minReplicas) (int .Values.autoscaling.maxReplicas)) -}}
{{- fail "autoscaling.minReplicas is above autoscaling.maxReplicas" -}}
{{- end -}}
{{- end -}}

{{- /* The pod of both kinds of workload. */ -}}
{{- define "greenplan.pod" -}}
metadata:
  labels:
    {{- include "greenplan.labels" . | nindent 4 }}
  {{- with .Values.podAnnotations }}
  annotations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
spec:
  serviceAccountName: {{ include "greenplan.fullname" . }}
  # The daemon does not call Kubernetes.
  automountServiceAccountToken: false
  terminationGracePeriodSeconds: {{ .Values.terminationGracePeriodSeconds }}
  {{- with .Values.imagePullSecrets }}
  imagePullSecrets:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  securityContext:
    runAsNonRoot: true
    runAsUser: 65532
    runAsGroup: 65532
    fsGroup: 65532
    fsGroupChangePolicy: OnRootMismatch
    seccompProfile:
      type: RuntimeDefault
  containers:
    - name: greenpland
      image: {{ printf "%s:%s" .Values.image.repository (default .Chart.AppVersion .Values.image.tag) | quote }}
      imagePullPolicy: {{ .Values.image.pullPolicy }}
      args:
        - --listen=0.0.0.0:7437
        - --http-listen=0.0.0.0:7438
        - --log-format=json
        - --quorum-timeout={{ .Values.quorumTimeout }}
        {{- if eq .Values.store.kind "sqlite" }}
        - --data-dir=/var/lib/greenplan
        {{- end }}
        {{- if .Values.tls.existingSecret }}
        - --tls-cert=/etc/greenplan/tls/tls.crt
        - --tls-key=/etc/greenplan/tls/tls.key
        {{- if .Values.tls.clientCertificates }}
        - --tls-client-ca=/etc/greenplan/tls/ca.crt
        {{- end }}
        {{- else }}
        - --insecure
        {{- end }}
        {{- if .Values.tokens.existingSecret }}
        - --tokens=/etc/greenplan/tokens/tokens.toml
        {{- end }}
        {{- range .Values.extraArgs }}
        - {{ . | quote }}
        {{- end }}
      {{- if eq .Values.store.kind "postgresql" }}
      env:
        - name: GREENPLAN_STORE
          valueFrom:
            secretKeyRef:
              name: {{ .Values.store.postgresql.existingSecret }}
              key: uri
      {{- end }}
      ports:
        - name: grpc
          containerPort: 7437
        - name: http
          containerPort: 7438
      # An upgrade may migrate the store before the daemon serves.
      startupProbe:
        httpGet:
          path: /readyz
          port: http
        periodSeconds: 2
        failureThreshold: 150
      livenessProbe:
        httpGet:
          path: /livez
          port: http
        periodSeconds: 10
        timeoutSeconds: 5
      readinessProbe:
        httpGet:
          path: /readyz
          port: http
        periodSeconds: 2
        timeoutSeconds: 5
        failureThreshold: 2
      securityContext:
        allowPrivilegeEscalation: false
        readOnlyRootFilesystem: true
        capabilities:
          drop: [ALL]
      resources:
        {{- toYaml .Values.resources | nindent 8 }}
      volumeMounts:
        {{- if eq .Values.store.kind "sqlite" }}
        - name: data
          mountPath: /var/lib/greenplan
        {{- end }}
        {{- if .Values.tls.existingSecret }}
        - name: tls
          mountPath: /etc/greenplan/tls
          readOnly: true
        {{- end }}
        {{- if .Values.tokens.existingSecret }}
        - name: tokens
          mountPath: /etc/greenplan/tokens
          readOnly: true
        {{- end }}
        - name: tmp
          mountPath: /tmp
  volumes:
    {{- if .Values.tls.existingSecret }}
    - name: tls
      secret:
        secretName: {{ .Values.tls.existingSecret }}
        defaultMode: 0440
    {{- end }}
    {{- if .Values.tokens.existingSecret }}
    - name: tokens
      secret:
        secretName: {{ .Values.tokens.existingSecret }}
        defaultMode: 0440
    {{- end }}
    - name: tmp
      emptyDir: {}
  # Replicas of one planner on machines of their own, as far as there are any.
  topologySpreadConstraints:
    - maxSkew: 1
      topologyKey: kubernetes.io/hostname
      whenUnsatisfiable: ScheduleAnyway
      labelSelector:
        matchLabels:
          {{- include "greenplan.selector" . | nindent 10 }}
  {{- with .Values.nodeSelector }}
  nodeSelector:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.tolerations }}
  tolerations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.affinity }}
  affinity:
    {{- toYaml . | nindent 4 }}
  {{- end }}
{{- end -}}
