{{/* The server's configuration file. */}}

{{/*
Caches from the memory limit, as src/docs/operating.md counts: 640 MiB for the largest call that may run, 200 MiB for the program
and its clients, eight memtables; of what is left, 35 % for each cache, so that clients (20 % of the limit) find room as it grows.
*/}}
{{- define "flotilla.memory" -}}
{{- $limit := dig "limits" "memory" "" .Values.resources -}}
{{- if and .Values.deriveMemory $limit -}}
{{- $bytes := include "flotilla.bytes" $limit | int64 -}}
{{- $mib := int64 1048576 -}}
{{- $spare := sub $bytes (mul 872 $mib) -}}
{{- $cache := max (mul 16 $mib) (div (mul $spare 35) 100) -}}
hot-cache-bytes: {{ $cache | quote }}
block-cache-bytes: {{ $cache | quote }}
memtable-bytes: {{ mul 4 $mib | quote }}
maxmemory-clients: {{ div $bytes 5 | quote }}
{{- if lt $bytes (mul 2048 $mib) }}
disable-thp: "yes"
{{- end }}
{{- end -}}
{{- end -}}

{{/* All but who founds the core: a change of this restarts pods. */}}
{{- define "flotilla.parameters" -}}
{{- $v := .Values -}}
{{- $c := dict "bind" "0.0.0.0" "data-dir" "/var/lib/flotilla/data" "peer-port" "7379" "http-port" "8379" "log-format" "json" -}}
{{- $_ := set $c "port" (ternary "6379" "0" (eq (include "flotilla.hasPlain" .) "yes")) -}}
{{- if $v.auth.enabled -}}
{{- $_ := set $c "requirepass-file" "/etc/flotilla/auth/password" -}}
{{- else -}}
{{- $_ := set $c "protected-mode" "no" -}}
{{- end -}}
{{- if $v.tls.enabled -}}
{{- $_ := merge $c (dict "tls-port" "6380" "tls-cert-file" "/etc/flotilla/tls/tls.crt" "tls-key-file" "/etc/flotilla/tls/tls.key"
    "tls-auth-clients" $v.tls.authClients "tls-auth-clients-user" $v.tls.authClientsUser) -}}
{{- if $v.tls.http }}{{ $_ := set $c "http-tls" "yes" }}{{ end -}}
{{- if ne $v.tls.authClients "no" }}{{ $_ := set $c "tls-ca-cert-file" "/etc/flotilla/tls/ca.crt" }}{{ end -}}
{{- end -}}
{{- if $v.peerTLS.enabled -}}
{{- $_ := merge $c (dict "peer-tls-cert" "/etc/flotilla/peer/tls.crt" "peer-tls-key" "/etc/flotilla/peer/tls.key" "peer-tls-ca" "/etc/flotilla/peer/ca.crt") -}}
{{- else -}}
{{- $_ := set $c "peer-insecure" "yes" -}}
{{- end -}}
{{- if eq $v.mode "edge" -}}
{{- $_ := merge $c (dict "role" "edge" "site" $v.edge.site "upstream" (join "," $v.edge.upstreams) "edge-writes" $v.edge.writes
    "edge-lag-max-ms" (int64 $v.edge.lagMaxMs | toString) "upstream-discovery" (ternary "yes" "no" $v.edge.upstreamDiscovery)) -}}
{{- end -}}
{{- $_ := merge $c (include "flotilla.memory" . | fromYaml) -}}
{{- range $name, $value := $v.config -}}
{{- $text := toString $value -}}
{{- if kindIs "bool" $value }}{{ $text = ternary "yes" "no" $value }}{{ end -}}
{{- if kindIs "float64" $value }}{{ $text = toString (int64 $value) }}{{ end -}}
{{- $_ := set $c $name $text -}}
{{- end -}}
{{- range $name, $value := $c }}
{{ $name }} = {{ toString $value | toJson }}
{{- end }}
{{- end -}}

{{- define "flotilla.founding" -}}
{{- $addresses := list -}}
{{- range splitList "," (include "flotilla.founders" .) }}{{ $addresses = append $addresses (splitList "=" . | last) }}{{ end }}
cluster = {{ include "flotilla.founders" . | toJson }}
join = {{ join "," $addresses | toJson }}
{{- end -}}
