/** The answers of the API as the commands read them: no more of each than they show. */
import { Schema } from "effect"
import { Access } from "./accessFlags.ts"

const Summary = Schema.Struct({
  id: Schema.String,
  name: Schema.String,
  status: Schema.String,
  operating_status: Schema.String,
  datastore: Schema.Struct({ type: Schema.String, version: Schema.String }),
  ip: Schema.optionalKey(Schema.Array(Schema.String))
})

export const Listed = Schema.Struct({ instances: Schema.Array(Summary) })

export const Instance = Schema.Struct({
  ...Summary.fields,
  /** Why its database does not serve. */
  operating_status_reason: Schema.optionalKey(Schema.String),
  fault: Schema.optionalKey(Schema.Struct({ message: Schema.String })),
  availability_zone: Schema.optionalKey(Schema.String),
  access: Schema.optionalKey(Access),
  /** `not_applied`: why its server does not run with the group. */
  configuration: Schema.optionalKey(
    Schema.Struct({ name: Schema.String, not_applied: Schema.optionalKey(Schema.String) })
  )
})
export type Instance = typeof Instance.Type

export const Shown = Schema.Struct({ instance: Instance })

/** An instance with everything that the API tells of it, for other programs to read. */
export const Whole = Schema.Struct({ instance: Schema.Json })

const Entry = Schema.Struct({
  kind: Schema.Literals(["transition", "step", "report"]),
  at: Schema.optionalKey(Schema.String),
  started_at: Schema.optionalKey(Schema.String),
  ended_at: Schema.optionalKey(Schema.NullOr(Schema.String)),
  from: Schema.optionalKey(Schema.String),
  to: Schema.optionalKey(Schema.String),
  because: Schema.optionalKey(Schema.String),
  operation: Schema.optionalKey(Schema.String),
  operation_id: Schema.optionalKey(Schema.String),
  step: Schema.optionalKey(Schema.String),
  attempt: Schema.optionalKey(Schema.Int),
  begun: Schema.optionalKey(Schema.Int),
  outcome: Schema.optionalKey(Schema.String),
  error: Schema.optionalKey(Schema.NullOr(Schema.String)),
  waits_for: Schema.optionalKey(Schema.NullOr(Schema.String)),
  deadline: Schema.optionalKey(Schema.NullOr(Schema.String)),
  text: Schema.optionalKey(Schema.String)
})
export type Entry = typeof Entry.Type

export const History = Schema.Struct({ history: Schema.Struct({ entries: Schema.Array(Entry) }) })

const Wait = Schema.Struct({
  operation: Schema.NullOr(Schema.String),
  what: Schema.String,
  step: Schema.NullOr(Schema.String),
  attempt: Schema.NullOr(Schema.Int),
  since: Schema.String,
  deadline: Schema.NullOr(Schema.String)
})

const OperationRow = Schema.Struct({
  instance_id: Schema.String,
  instance_name: Schema.String,
  project_id: Schema.String,
  status: Schema.NullOr(Schema.String),
  standing: Schema.String,
  operation: Schema.NullOr(Schema.String),
  operation_id: Schema.NullOr(Schema.String),
  since: Schema.String,
  deadline: Schema.NullOr(Schema.String),
  waits_for: Schema.NullOr(Wait),
  error: Schema.NullOr(Schema.String),
  detail: Schema.NullOr(Schema.String)
})
export type OperationRow = typeof OperationRow.Type

const OperationStory = Schema.Struct({
  ...OperationRow.fields,
  steps: Schema.Array(Entry),
  set_aside: Schema.Array(
    Schema.Struct({ key: Schema.String, posted: Schema.String, set_aside: Schema.String, reason: Schema.String })
  )
})
export type OperationStory = typeof OperationStory.Type

export const Operations = Schema.Struct({ operations: Schema.Array(OperationRow) })
export const ShownOperation = Schema.Struct({ operation: OperationStory })

const Named = Schema.Struct({ name: Schema.String })

export const Databases = Schema.Struct({ databases: Schema.Array(Named) })

const User = Schema.Struct({ name: Schema.String, host: Schema.String, databases: Schema.Array(Named) })
export type User = typeof User.Type
export const Users = Schema.Struct({ users: Schema.Array(User) })
export const ShownUser = Schema.Struct({ user: User })

export const RootEnabled = Schema.Struct({ rootEnabled: Schema.Boolean })
export const RootUser = Schema.Struct({ user: Schema.Struct({ name: Schema.String, password: Schema.String }) })

const Log = Schema.Struct({
  name: Schema.String,
  type: Schema.String,
  status: Schema.String,
  published: Schema.Int,
  pending: Schema.Int,
  container: Schema.String,
  prefix: Schema.String,
  metafile: Schema.String
})
export type Log = typeof Log.Type
export const Logs = Schema.Struct({ logs: Schema.Array(Log) })
export const ShownLog = Schema.Struct({ log: Log })
export const LogLines = Schema.Struct({
  log: Schema.Struct({ next: Schema.Int, rotated: Schema.Boolean, lines: Schema.Array(Schema.String) })
})

const Flavor = Schema.Struct({
  str_id: Schema.String,
  name: Schema.String,
  ram: Schema.Number,
  vcpus: Schema.Number,
  disk: Schema.Number
})
export const Flavors = Schema.Struct({ flavors: Schema.Array(Flavor) })
export const ShownFlavor = Schema.Struct({ flavor: Flavor })

const Datastore = Schema.Struct({
  id: Schema.String,
  name: Schema.String,
  versions: Schema.Array(Schema.Struct({ id: Schema.String, name: Schema.String, version: Schema.String })),
  default_version: Schema.optionalKey(Schema.String)
})
export type Datastore = typeof Datastore.Type
export const Datastores = Schema.Struct({ datastores: Schema.Array(Datastore) })
export const ShownDatastore = Schema.Struct({ datastore: Datastore })

export const Quotas = Schema.Struct({
  quotas: Schema.Array(
    Schema.Struct({
      resource: Schema.String,
      in_use: Schema.Number,
      reserved: Schema.Number,
      limit: Schema.Number
    })
  )
})

export const Limits = Schema.Struct({
  limits: Schema.Array(
    Schema.Union([
      Schema.Struct({
        uri: Schema.String,
        verb: Schema.String,
        value: Schema.Number,
        remaining: Schema.Number
      }),
      Schema.StructWithRest(Schema.Struct({ verb: Schema.Literal("ABSOLUTE") }), [
        Schema.Record(Schema.String, Schema.Union([Schema.Number, Schema.String]))
      ])
    ])
  )
})
