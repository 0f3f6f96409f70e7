/** The settings as a list, in the order of the file, with the variable that overrides each. */
import { Schema, SchemaAST, Struct } from "effect"
import { Configuration } from "./Configuration.ts"

export interface Setting {
  readonly section: string
  readonly key: string
  /** "broker.urls" */
  readonly name: string
  /** "COFFER_BROKER_URLS" */
  readonly variable: string
  /** What `coffer up` calls it; heard where `variable` is not set. */
  readonly upVariable: string | undefined
  readonly description: string
  readonly isSecret: boolean
  /** As a file would write it; undefined when there is none. */
  readonly default: unknown
  readonly defaultName: string | undefined
  readonly example: unknown
  /** What a file writes it as. */
  readonly kind: "text" | "number" | "boolean" | "list"
}

/** The variables of `coffer up`, by the setting that each is. */
export const upVariables = {
  "catalog.file": "COFFER_CATALOG",
  "api.rate_limit": "COFFER_RATE_LIMIT",
  "api.allowed_hosts": "COFFER_ALLOWED_HOSTS",
  "api.network_id": "COFFER_NETWORK_ID",
  "api.subnet_id": "COFFER_SUBNET_ID",
  "taskmanager.build_deadline": "COFFER_BUILD_DEADLINE",
  "taskmanager.restart_deadline": "COFFER_RESTART_DEADLINE",
  "taskmanager.configure_deadline": "COFFER_CONFIGURE_DEADLINE",
  "taskmanager.upgrade_deadline": "COFFER_UPGRADE_DEADLINE",
  "taskmanager.resize_deadline": "COFFER_RESIZE_DEADLINE",
  "taskmanager.stop_deadline": "COFFER_STOP_DEADLINE",
  "taskmanager.start_deadline": "COFFER_START_DEADLINE",
  "taskmanager.rebuild_deadline": "COFFER_REBUILD_DEADLINE",
  "taskmanager.delete_deadline": "COFFER_DELETE_DEADLINE",
  "taskmanager.audit_interval": "COFFER_AUDIT_INTERVAL",
  "taskmanager.workflow_retention": "COFFER_WORKFLOW_RETENTION",
  "taskmanager.deleted_retention": "COFFER_DELETED_RETENTION",
  "guestagent.zone": "COFFER_ZONE"
} as const

const upVariableOf: ReadonlyMap<string, string> = new Map(Object.entries(upVariables))

export const variablePrefix = (section: string) => `COFFER_${section.toUpperCase()}_`

const kindOf = (schema: Schema.Constraint): Setting["kind"] => {
  const { _tag } = SchemaAST.toEncoded(schema.ast)
  return _tag === "Number" ? "number" : _tag === "Boolean" ? "boolean" : _tag === "Arrays" ? "list" : "text"
}

const describe = (section: string, key: string, schema: Schema.Constraint): Setting => {
  const annotations = Schema.resolveAnnotationsKey(schema)
  const about = annotations?.setting
  const name = `${section}.${key}`
  return {
    section,
    key,
    name,
    variable: `${variablePrefix(section)}${key.toUpperCase()}`,
    upVariable: upVariableOf.get(name),
    description: annotations?.description ?? "",
    isSecret: about?.isSecret ?? false,
    default: about?.default,
    defaultName: about?.defaultName,
    example: about?.example,
    kind: kindOf(schema)
  }
}

export const sections = Struct.keys(Configuration.fields)

export const settings: ReadonlyArray<Setting> = Object.entries(Configuration.fields).flatMap(([section, { fields }]) =>
  Object.entries(fields).map(([key, schema]) => describe(section, key, schema))
)

export const settingNamed: ReadonlyMap<string, Setting> = new Map(settings.map((setting) => [setting.name, setting]))
