{{/* The release's name, with the chart's where it isn't in it. */}}
{{- define "trousseau.name" -}}
{{- ternary .Release.Name (printf "%s-%s" .Release.Name .Chart.Name) (contains .Chart.Name .Release.Name) | trunc 63 | trimSuffix "-" }}
{{- end }}

{{/* What a selector may count on: it can never change. */}}
{{- define "trousseau.selector" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "trousseau.labels" -}}
{{ include "trousseau.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
{{- end }}

{{- define "trousseau.serviceAccount" -}}
{{ .Values.serviceAccount.name | default (include "trousseau.name" .) }}
{{- end }}

{{/* An image's reference; takes the image and the tag that counts where it has none. */}}
{{- define "trousseau.image" -}}
{{- with .image }}
{{- if .digest }}{{ .repository }}@{{ .digest }}{{ else }}{{ .repository }}:{{ .tag | default $.tag }}{{ end }}
{{- end }}
{{- end }}

{{/* What both the plugin and the agent may do. */}}
{{- define "trousseau.hardened" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end }}

{{/* The folder of the socket, and the port of the probes: of the configuration, where that is known here. */}}
{{- define "trousseau.socketFolder" -}}
{{- $configured := dir (((.Values.config).socket).path | default "/run/trousseau/kms.sock") }}
{{- $folder := .Values.socketFolder | default $configured }}
{{- if and .Values.config (ne $folder $configured) }}{{ fail (printf "socketFolder is %s, but the socket of `config` lies in %s" $folder $configured) }}{{ end }}
{{- $folder }}
{{- end }}

{{/* A container without capabilities can give the socket to nobody else. */}}
{{- define "trousseau.socketOwner" -}}
{{- $socket := (.Values.config).socket | default dict }}
{{- range $field, $runAs := dict "owner" .Values.runAsUser "group" .Values.runAsGroup }}
{{- $wanted := get $socket $field | default "" | toString }}
{{- if and $wanted (ne $wanted (int64 $runAs | toString)) }}{{ fail (printf "config.socket.%s is %s, and a pod without capabilities can't give the socket away: leave it out, and set runAs%s" $field $wanted (ternary "User" "Group" (eq $field "owner"))) }}{{ end }}
{{- end }}
{{- end }}

{{- define "trousseau.adminPort" -}}
{{- $admin := (.Values.config).admin | default "127.0.0.1:8787" }}
{{- if eq $admin "off" }}{{ fail "config.admin: kubelet's probes need it; write 127.0.0.1 and a port" }}{{ end }}
{{- if not (regexMatch "^(127[.]0[.]0[.]1|0[.]0[.]0[.]0|\\[::\\]):[0-9]+$" $admin) }}{{ fail "config.admin: kubelet's probes ask 127.0.0.1; write 127.0.0.1 and a port" }}{{ end }}
{{- .Values.adminPort | default (splitList ":" $admin | last) }}
{{- end }}
