{{/* A container of the Vault Agent; takes its name, further arguments, and the values of `agent`. */}}
{{- define "trousseau.agent" -}}
- name: {{ .name }}
  image: {{ include "trousseau.image" (dict "image" .agent.image "tag" "latest") }}
  imagePullPolicy: {{ .agent.image.pullPolicy }}
  command: {{ concat (list "/bin/vault" "agent" "-config=/etc/vault-agent/agent.hcl") .arguments | toJson }}
  env:
    - {name: HOME, value: /tmp}
  resources:
    {{- toYaml .agent.resources | nindent 4 }}
  securityContext:
    {{- include "trousseau.hardened" . | nindent 4 }}
  volumeMounts:
    - {name: config, mountPath: /etc/vault-agent, readOnly: true}
    - {name: vault-token, mountPath: /var/run/secrets/vault, readOnly: true}
    - {name: rendered, mountPath: /etc/secrets}
    - {name: scratch, mountPath: /tmp}
{{- end }}
