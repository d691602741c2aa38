{{/* Names, labels and what is derived from values. Nothing here renders an object. */}}

{{- define "flotilla.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 40 | trimSuffix "-" -}}
{{- end -}}

{{/* At most 40 letters: pods, claims and the longest suffix stay below 63. */}}
{{- define "flotilla.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- ternary .Release.Name (printf "%s-%s" .Release.Name $name) (contains $name .Release.Name) | trunc 40 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "flotilla.headless" -}}{{ include "flotilla.fullname" . }}-headless{{- end -}}
{{- define "flotilla.domain" -}}{{ .Release.Namespace }}.svc.{{ .Values.clusterDomain }}{{- end -}}
{{- define "flotilla.serviceAccount" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "flotilla.fullname" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- default "default" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{/* By these, services, policies and the set find pods; they never change. */}}
{{- define "flotilla.selector" -}}
app.kubernetes.io/name: {{ include "flotilla.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "flotilla.labels" -}}
{{- $labels := dict "helm.sh/chart" (printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_")
    "app.kubernetes.io/version" .Chart.AppVersion
    "app.kubernetes.io/managed-by" .Release.Service
    "app.kubernetes.io/part-of" "flotilla" -}}
{{- toYaml (mustMergeOverwrite $labels .Values.commonLabels (include "flotilla.selector" . | fromYaml)) -}}
{{- end -}}

{{/* metadata of an object: (list . "suffix" (dict annotations)), and more labels if need be. */}}
{{- define "flotilla.metadata" -}}
{{- $root := index . 0 -}}
name: {{ include "flotilla.fullname" $root }}{{ index . 1 }}
namespace: {{ $root.Release.Namespace }}
labels:
  {{- include "flotilla.labels" $root | nindent 2 }}
  {{- if gt (len .) 3 }}
  {{- with index . 3 }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
  {{- end }}
{{- $annotations := mustMergeOverwrite (dict) $root.Values.commonAnnotations (index . 2) }}
{{- with $annotations }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{- define "flotilla.image" -}}
{{- $at := list .Values.image.registry .Values.image.repository | compact | join "/" -}}
{{- if .Values.image.digest -}}
{{- printf "%s@%s" $at .Values.image.digest -}}
{{- else -}}
{{- printf "%s:%s" $at (default .Chart.AppVersion .Values.image.tag) -}}
{{- end -}}
{{- end -}}

{{/* Names of nodes before their number. An edge's must begin with its site. */}}
{{- define "flotilla.nodePrefix" -}}
{{- if eq .Values.mode "edge" -}}edge-{{ .Values.edge.site }}.n{{- else -}}{{ include "flotilla.fullname" . }}-{{- end -}}
{{- end -}}

{{/* The nodes that found the core, or the site. Of more pods the others join, so scaling changes nothing that exists. */}}
{{- define "flotilla.founders" -}}
{{- $nodes := list -}}
{{- range $i := until (ternary 1 3 (lt (int .Values.replicaCount) 3)) -}}
{{- $host := printf "%s-%d.%s.%s" (include "flotilla.fullname" $) $i (include "flotilla.headless" $) (include "flotilla.domain" $) -}}
{{- $nodes = append $nodes (printf "%s%d=%s:7379" (include "flotilla.nodePrefix" $) $i $host) -}}
{{- end -}}
{{- join "," $nodes -}}
{{- end -}}

{{/* Bytes of a Kubernetes quantity. */}}
{{- define "flotilla.bytes" -}}
{{- $text := toString . -}}
{{- $digits := regexFind "^[0-9.]+" $text -}}
{{- $units := dict "" 1 "k" 1000 "Ki" 1024 "M" 1000000 "Mi" 1048576 "G" 1000000000 "Gi" 1073741824 "T" 1000000000000 "Ti" 1099511627776 -}}
{{- $unit := trimPrefix $digits $text -}}
{{- if or (not $digits) (not (hasKey $units $unit)) }}{{ fail (printf "resources.limits.memory: '%s' is not a quantity such as 4Gi" $text) }}{{ end -}}
{{- mulf (float64 $digits) (float64 (get $units $unit)) | int64 -}}
{{- end -}}

{{/* Seconds for which a stopping server finishes commands. */}}
{{- define "flotilla.shutdownTimeout" -}}{{ int (get .Values.config "shutdown-timeout" | default 10) }}{{- end -}}

{{- define "flotilla.grace" -}}
{{- $needed := add (include "flotilla.shutdownTimeout" . | int) 5 (int .Values.preStopSeconds) -}}
{{- $said := int .Values.terminationGracePeriodSeconds -}}
{{- if and $said (lt $said (int $needed)) }}{{ fail (printf "terminationGracePeriodSeconds: a node needs %d s to stop (shutdown-timeout + 5 + preStopSeconds)" $needed) }}{{ end -}}
{{- default (add $needed 10) $said -}}
{{- end -}}

{{- define "flotilla.authSecret" -}}{{ default (printf "%s-auth" (include "flotilla.fullname" .)) .Values.auth.existingSecret }}{{- end -}}
{{/* Of the Secret that the chart makes, the key with the former password as well. */}}
{{- define "flotilla.authKey" -}}{{ ternary .Values.auth.existingSecretPasswordKey "passwords" (not (empty .Values.auth.existingSecret)) }}{{- end -}}
{{- define "flotilla.usersSecret" -}}{{ default (printf "%s-users" (include "flotilla.fullname" .)) .Values.auth.existingUsersSecret }}{{- end -}}
{{- define "flotilla.hasUsers" -}}{{ if or .Values.auth.users .Values.auth.existingUsersSecret }}yes{{ end }}{{- end -}}
{{- define "flotilla.hasPlain" -}}{{ if or (not .Values.tls.enabled) .Values.tls.plaintext }}yes{{ end }}{{- end -}}

{{/* Arguments by which the chart's own commands reach a server: (list . "host"). On loopback it is the pod's own, so its certificate
need not be valid for that name. */}}
{{- define "flotilla.login" -}}
{{- $root := index . 0 -}}
{{- $v := $root.Values -}}
{{- $own := eq (index . 1) "127.0.0.1" -}}
{{- $plain := include "flotilla.hasPlain" $root -}}
{{- $port := ternary (ternary 6379 6380 (eq $plain "yes")) (ternary $v.service.port $v.service.tlsPort (eq $plain "yes")) $own -}}
{{- $words := list (printf "--server=%s:%d" (index . 1) (int $port)) -}}
{{- if not $plain -}}
{{- $words = concat $words (list "--tls" (ternary "--insecure" "--cacert=/etc/flotilla/tls/ca.crt" $own)) -}}
{{- if ne $v.tls.authClients "no" -}}
{{- $words = concat $words (list "--cert=/etc/flotilla/tls/tls.crt" "--key=/etc/flotilla/tls/tls.key") -}}
{{- end -}}
{{- end -}}
{{- if $v.auth.admin.user -}}
{{- $words = concat $words (list (printf "--user=%s" $v.auth.admin.user) "--password-file=/etc/flotilla/admin/password") -}}
{{- else if $v.auth.enabled -}}
{{- $words = append $words "--password-file=/etc/flotilla/auth/password" -}}
{{- end -}}
{{- toYaml $words -}}
{{- end -}}

{{/* What would not start, said before anything is made. */}}
{{- define "flotilla.check" -}}
{{- $edge := .Values.edge -}}
{{- if eq .Values.mode "edge" -}}
{{- if not $edge.site }}{{ fail "edge.site: an edge needs the name of its site" }}{{ end -}}
{{- if not $edge.upstreams }}{{ fail "edge.upstreams: an edge needs the peer address of at least one core node, host:7379" }}{{ end -}}
{{- if and .Values.peerTLS.enabled (not .Values.peerTLS.existingSecret) (not .Values.peerTLS.certManager.issuerRef) }}
{{- fail (printf "peerTLS: an edge needs a certificate of the core's CA. Add {site: %s} to peerTLS.edges of the core and name the Secret that it makes in peerTLS.existingSecret, or name the CA's issuer in peerTLS.certManager.issuerRef" $edge.site) }}{{ end -}}
{{- if or .Values.feed.enabled .Values.peerTLS.edges }}{{ fail "feed and peerTLS.edges are a core's" }}{{ end -}}
{{- else if or $edge.site $edge.upstreams -}}
{{- fail "edge.site and edge.upstreams need mode: edge" -}}
{{- end -}}
{{- if and .Values.auth.admin.user (not .Values.auth.admin.existingSecret) }}{{ fail "auth.admin.user needs auth.admin.existingSecret" }}{{ end -}}
{{- if and .Values.tls.plaintext (not .Values.tls.enabled) }}{{ fail "tls.plaintext needs tls.enabled" }}{{ end -}}
{{- if and .Values.tls.http (not .Values.tls.enabled) }}{{ fail "tls.http needs tls.enabled" }}{{ end -}}
{{- $restore := .Values.restore -}}
{{- $until := list $restore.toTime $restore.toRevision (ternary "yes" "" $restore.toBackup) | compact -}}
{{- if not $restore.from }}
{{- if or $until $restore.backup $restore.history }}{{ fail "restore: restore.from is not set" }}{{ end -}}
{{- else if eq .Values.mode "edge" }}{{ fail "restore.from: an edge takes its data from its core" }}
{{- else if not .Values.persistence.enabled }}{{ fail "restore.from needs persistence.enabled" }}
{{- else if gt (len $until) 1 }}{{ fail "restore: only one of restore.toTime, restore.toRevision and restore.toBackup" }}{{ end -}}
{{- if and (ne .Values.tls.authClientsUser "off") (eq .Values.tls.authClients "no") }}{{ fail "tls.authClientsUser needs tls.authClients yes or optional" }}{{ end -}}
{{- if and (not .Values.auth.enabled) (include "flotilla.hasUsers" .) (not .Values.auth.admin.user) }}{{ fail "auth.users needs auth.enabled, or auth.admin.user" }}{{ end -}}
{{- range $name := list "data-dir" "node-name" "peer-address" "cluster" "join" "role" "site" "upstream" "port" "peer-port" "http-port" "http-tls" "tls-port" "requirepass" "requirepass-file" }}
{{- if hasKey $.Values.config $name }}{{ fail (printf "config.%s: the chart sets it" $name) }}{{ end -}}
{{- end -}}
{{- end -}}
