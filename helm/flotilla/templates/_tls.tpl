{{/* Certificates that the chart makes itself. They are kept by looking the Secrets up, and made anew when their names change or after
half of their life. */}}

{{- define "flotilla.peerSecret" -}}{{ default (printf "%s-peer-tls" (include "flotilla.fullname" .)) .Values.peerTLS.existingSecret }}{{- end -}}
{{- define "flotilla.tlsSecret" -}}{{ default (printf "%s-tls" (include "flotilla.fullname" .)) .Values.tls.existingSecret }}{{- end -}}

{{- define "flotilla.serviceNames" -}}
{{- $full := include "flotilla.fullname" . -}}
{{- range list (printf "%s.%s.svc" $full .Release.Namespace) (printf "%s.%s" $full (include "flotilla.domain" .))
    (printf "*.%s.%s" (include "flotilla.headless" .) (include "flotilla.domain" .)) }}
- {{ . | quote }}
{{- end -}}
{{- end -}}

{{/* Every name that a node may have, whatever the number of pods is now, and every host at which it is reached. */}}
{{- define "flotilla.peerNames" -}}
{{- if eq .Values.mode "edge" }}
- edge-{{ .Values.edge.site }}
{{- end }}
{{- range $i := until 7 }}
- {{ include "flotilla.nodePrefix" $ }}{{ $i }}
{{- end }}
{{- include "flotilla.serviceNames" . }}
{{- if .Values.feed.enabled }}
- {{ include "flotilla.fullname" . }}-feed.{{ include "flotilla.domain" . }}
{{- end }}
{{- range concat .Values.peerTLS.extraNames .Values.feed.hostnames (list .Values.feed.ingress.host | compact) | uniq }}
- {{ . | quote }}
{{- end }}
{{- end -}}

{{- define "flotilla.tlsNames" -}}
{{- include "flotilla.serviceNames" . }}
- {{ include "flotilla.fullname" . }}
- localhost
- 127.0.0.1
{{- range .Values.tls.extraNames }}
- {{ . | quote }}
{{- end }}
{{- end -}}

{{- define "flotilla.edgeNames" -}}
- edge-{{ .site }}
{{- range $i := until 7 }}
- edge-{{ $.site }}.n{{ $i }}
{{- end }}
{{- range .names }}
- {{ . | quote }}
{{- end }}
{{- end -}}

{{/* A CA as a dict Cert, Key: (list . "suffix"). It is made once a release and kept. */}}
{{- define "flotilla.authority" -}}
{{- $root := index . 0 -}}
{{- $name := printf "%s%s" (include "flotilla.fullname" $root) (index . 1) -}}
{{- $kept := (lookup "v1" "Secret" $root.Release.Namespace $name).data | default dict -}}
{{- if hasKey $kept "ca.key" -}}
{{- dict "Cert" (get $kept "ca.crt" | b64dec) "Key" (get $kept "ca.key" | b64dec) | toJson -}}
{{- else -}}
{{- $made := genCA (trunc 63 $name) 3650 -}}
{{- dict "Cert" $made.Cert "Key" $made.Key | toJson -}}
{{- end -}}
{{- end -}}

{{- define "flotilla.authoritySecret" -}}
{{- $root := index . 0 -}}
apiVersion: v1
kind: Secret
metadata:
  {{- include "flotilla.metadata" (list $root (index . 1) (dict "helm.sh/resource-policy" "keep")) | nindent 2 }}
type: Opaque
data:
  ca.crt: {{ (index . 2).Cert | b64enc }}
  ca.key: {{ (index . 2).Key | b64enc }}
{{- end -}}

{{/* A Secret with a certificate of that CA: (list . "suffix" "names as YAML" CA). */}}
{{- define "flotilla.signedSecret" -}}
{{- $root := index . 0 -}}
{{- $names := index . 2 | fromYamlArray -}}
{{- $authority := index . 3 -}}
{{- $of := printf "%s\n%s" (join "," $names) $authority.Cert | sha256sum | trunc 32 -}}
{{- $name := printf "%s%s" (include "flotilla.fullname" $root) (index . 1) -}}
{{- $found := lookup "v1" "Secret" $root.Release.Namespace $name | default dict -}}
{{- $notes := dig "metadata" "annotations" dict $found -}}
{{- $now := now | unixEpoch | int64 -}}
{{- $until := get $notes "flotilla/renew-after" | default "0" -}}
{{- $data := $found.data | default dict -}}
{{- if or (ne (get $notes "flotilla/names") $of) (lt (int64 $until) $now) (not (hasKey $data "tls.key")) -}}
{{- $ips := list }}{{ $dns := list -}}
{{- range $names }}{{ if regexMatch "^[0-9.]+$|:" . }}{{ $ips = append $ips . }}{{ else }}{{ $dns = append $dns . }}{{ end }}{{ end -}}
{{- $ca := buildCustomCert ($authority.Cert | b64enc) ($authority.Key | b64enc) -}}
{{- $made := genSignedCert (first $dns | trunc 63) $ips $dns 3650 $ca -}}
{{- $data = dict "tls.crt" ($made.Cert | b64enc) "tls.key" ($made.Key | b64enc) "ca.crt" ($authority.Cert | b64enc) -}}
{{- $until = add $now (mul 1825 86400) | toString -}}
{{- end -}}
apiVersion: v1
kind: Secret
metadata:
  {{- include "flotilla.metadata" (list $root (index . 1) (dict "flotilla/names" $of "flotilla/renew-after" $until)) | nindent 2 }}
type: kubernetes.io/tls
data:
  {{- range list "ca.crt" "tls.crt" "tls.key" }}
  {{ . }}: {{ get $data . }}
  {{- end }}
{{- end -}}

{{/* A certificate from cert-manager: (list . "suffix" "names as YAML" values-of-TLS "suffix of the release's own CA"). */}}
{{- define "flotilla.certificate" -}}
{{- $root := index . 0 -}}
{{- $tls := index . 3 -}}
apiVersion: cert-manager.io/v1
kind: Certificate
metadata:
  {{- include "flotilla.metadata" (list $root (index . 1) (dict)) | nindent 2 }}
spec:
  secretName: {{ include "flotilla.fullname" $root }}{{ index . 1 }}
  duration: {{ $tls.certManager.duration }}
  renewBefore: {{ $tls.certManager.renewBefore }}
  privateKey: {algorithm: ECDSA, size: 256, rotationPolicy: Always}
  usages: [server auth, client auth]
  {{- $ips := list }}{{ $dns := list }}
  {{- range index . 2 | fromYamlArray }}{{ if regexMatch "^[0-9.]+$|:" . }}{{ $ips = append $ips . }}{{ else }}{{ $dns = append $dns . }}{{ end }}{{ end }}
  dnsNames: {{ toYaml $dns | nindent 4 }}
  {{- with $ips }}
  ipAddresses: {{ toYaml . | nindent 4 }}
  {{- end }}
  issuerRef:
    {{- if $tls.certManager.issuerRef }}
    {{- toYaml $tls.certManager.issuerRef | nindent 4 }}
    {{- else }}
    name: {{ include "flotilla.fullname" $root }}{{ index . 4 }}
    kind: Issuer
    {{- end }}
{{- end -}}

{{/* A CA of the release's own with cert-manager: (list . "suffix"). */}}
{{- define "flotilla.ownIssuer" -}}
{{- $root := index . 0 -}}
{{- $name := printf "%s%s" (include "flotilla.fullname" $root) (index . 1) -}}
apiVersion: cert-manager.io/v1
kind: Issuer
metadata:
  {{- include "flotilla.metadata" (list $root (printf "%s-root" (index . 1)) (dict)) | nindent 2 }}
spec:
  selfSigned: {}
---
apiVersion: cert-manager.io/v1
kind: Certificate
metadata:
  {{- include "flotilla.metadata" (list $root (index . 1) (dict)) | nindent 2 }}
spec:
  isCA: true
  commonName: {{ $name }}
  secretName: {{ $name }}
  duration: 87600h
  privateKey: {algorithm: ECDSA, size: 256}
  issuerRef: {name: {{ $name }}-root, kind: Issuer}
---
apiVersion: cert-manager.io/v1
kind: Issuer
metadata:
  {{- include "flotilla.metadata" (list $root (index . 1) (dict)) | nindent 2 }}
spec:
  ca: {secretName: {{ $name }}}
{{- end -}}
