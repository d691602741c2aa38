{{/* Parts that the pods of nodes, jobs and tests share. */}}

{{- define "flotilla.podBasics" -}}
serviceAccountName: {{ include "flotilla.serviceAccount" . }}
automountServiceAccountToken: false
# Without: a service named flotilla would set FLOTILLA_PORT, which is a parameter.
enableServiceLinks: false
{{- with .Values.imagePullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
securityContext:
  {{- toYaml .Values.podSecurityContext | nindent 2 }}
{{- with .Values.nodeSelector }}
nodeSelector: {{ toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.tolerations }}
tolerations: {{ toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- with .Values.runtimeClassName }}
runtimeClassName: {{ . }}
{{- end }}
{{- with .Values.schedulerName }}
schedulerName: {{ . }}
{{- end }}
{{- end -}}

{{/* Secrets are files that only the server's user and group read; directories, not single files, so that changes arrive. */}}
{{- define "flotilla.loginVolumes" -}}
{{- if .Values.auth.enabled }}
- name: auth
  secret:
    secretName: {{ include "flotilla.authSecret" . }}
    defaultMode: 0400
    items:
      - {key: {{ include "flotilla.authKey" . }}, path: password}
{{- end }}
{{- if .Values.auth.admin.user }}
- name: admin
  secret:
    secretName: {{ .Values.auth.admin.existingSecret }}
    defaultMode: 0400
    items:
      - {key: {{ .Values.auth.admin.existingSecretPasswordKey }}, path: password}
{{- end }}
{{- if .Values.tls.enabled }}
- name: tls
  secret:
    secretName: {{ include "flotilla.tlsSecret" . }}
    defaultMode: 0400
{{- end }}
{{- end -}}

{{- define "flotilla.loginMounts" -}}
{{- if .Values.auth.enabled }}
- {name: auth, mountPath: /etc/flotilla/auth, readOnly: true}
{{- end }}
{{- if .Values.auth.admin.user }}
- {name: admin, mountPath: /etc/flotilla/admin, readOnly: true}
{{- end }}
{{- if .Values.tls.enabled }}
- {name: tls, mountPath: /etc/flotilla/tls, readOnly: true}
{{- end }}
{{- end -}}

{{/* The spec of a pod that runs one `flotilla admin` command: (list . (list words) "volumes" "mounts"). */}}
{{- define "flotilla.adminPod" -}}
{{- $root := index . 0 -}}
{{- include "flotilla.podBasics" $root }}
containers:
  - name: admin
    image: {{ include "flotilla.image" $root }}
    imagePullPolicy: {{ $root.Values.image.pullPolicy }}
    securityContext:
      {{- toYaml $root.Values.containerSecurityContext | nindent 6 }}
    command: [flotilla, admin]
    args:
      {{- range index . 1 }}
      - {{ . | quote }}
      {{- end }}
      - --retry-for={{ $root.Values.jobs.retrySeconds }}
      {{- include "flotilla.login" (list $root (printf "%s.%s" (include "flotilla.fullname" $root) (include "flotilla.domain" $root))) | nindent 6 }}
    resources:
      {{- toYaml $root.Values.jobs.resources | nindent 6 }}
    {{- with printf "%s\n%s" (include "flotilla.loginMounts" $root) (index . 3) | trim }}
    volumeMounts:
      {{- . | nindent 6 }}
    {{- end }}
{{- with printf "%s\n%s" (include "flotilla.loginVolumes" $root) (index . 2) | trim }}
volumes:
  {{- . | nindent 2 }}
{{- end }}
{{- end -}}

{{- define "flotilla.jobLabels" -}}
{{ include "flotilla.selector" . }}
app.kubernetes.io/component: job
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}
