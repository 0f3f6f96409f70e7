/**
 * What a guest agent can be asked, on its own topic `guestagent.<instance id>`.
 *
 * Methods, argument names and the underscored fields of databases and users are those of Trove's
 * guest RPC API (version 1.1), so that one contract speaks to our agents and to Trove's.
 */
import { Schema } from "effect"
import { RpcGroup } from "effect/rpc"
import { Networks } from "./AllowedNetworks.ts"
import { call, cast, ForeignFailure } from "./Contract.ts"
import { Values } from "./configuration/Parameter.ts"
import { DiskError } from "./Disk.ts"
import { LogDetails, LogName, LogText, maxLines } from "./InstanceLogs.ts"
import { Diagnostics, Hardware } from "./MachineFacts.ts"

/** The topic that the agent of one instance serves. */
export const guestTopic = (instanceId: string) => `guestagent.${instanceId}`

/** A database inside an instance. */
export const Database = Schema.Struct({
  name: Schema.String,
  characterSet: Schema.optionalKey(Schema.NullOr(Schema.String)),
  collate: Schema.optionalKey(Schema.NullOr(Schema.String))
}).pipe(Schema.encodeKeys({ name: "_name", characterSet: "_character_set", collate: "_collate" }))
export type Database = typeof Database.Type

const NamedDatabase = Schema.Struct({ name: Schema.String }).pipe(Schema.encodeKeys({ name: "_name" }))

const Password = Schema.RedactedFromValue(Schema.String)

/** A user to be made, with its password. */
export const NewUser = Schema.Struct({
  name: Schema.String,
  password: Password,
  host: Schema.NullOr(Schema.String),
  databases: Schema.Array(NamedDatabase)
}).pipe(Schema.encodeKeys({ name: "_name", password: "_password", host: "_host", databases: "_databases" }))
export type NewUser = typeof NewUser.Type

/** A user that exists; its password is never told. */
export const User = Schema.Struct({
  name: Schema.String,
  host: Schema.NullOr(Schema.String),
  databases: Schema.Array(NamedDatabase)
}).pipe(Schema.encodeKeys({ name: "_name", host: "_host", databases: "_databases" }))
export type User = typeof User.Type

/** A user that exists is to have this password. */
const NewPassword = Schema.Struct({ name: Schema.String, host: Schema.NullOr(Schema.String), password: Password })
export type NewPassword = typeof NewPassword.Type

/** What of a user is to change; what is not there stays. */
export const UserChange = Schema.Struct({
  name: Schema.optionalKey(Schema.String),
  host: Schema.optionalKey(Schema.String),
  password: Schema.optionalKey(Password)
})
export type UserChange = typeof UserChange.Type

const ofUser = { username: Schema.String, hostname: Schema.NullOr(Schema.String) }

/** The database's administrator as handed to the tenant. */
export const RootUser = Schema.Struct({ name: Schema.String, password: Password }).pipe(
  Schema.encodeKeys({ name: "_name", password: "_password" })
)
export type RootUser = typeof RootUser.Type

/** Which page of a list is wanted: entries after `marker`, `limit` of them at the most. */
const Page = { limit: Schema.NullOr(Schema.Int), marker: Schema.NullOr(Schema.String), include_marker: Schema.Boolean }

/** The guest understood and refused, or its database did; `message` is fit for a tenant. */
export class GuestRefusal extends Schema.TaggedError<GuestRefusal>()("GuestRefusal", {
  message: Schema.String,
  /** Nothing was touched, and it may go when it is asked for again. Not there where that is of no use; Trove's agents do not say so. */
  transient: Schema.optionalKey(Schema.Boolean)
}) {}

/** What follows the first line of an exception is for its programmers. */
const firstLine = (message: string) => message.split("\n", 1).join("").slice(0, 500)

/** Timeouts of Trove's `agent_call_low_timeout` and `agent_call_high_timeout`. */
const low = "15 seconds"
const high = "180 seconds"

export const FilesystemStats = Schema.Struct({
  /** Size of the volume, in GB. */
  total: Schema.Number,
  /** What the database uses of it, in GB. */
  used: Schema.Number
})

/**
 * The server waits for a restart to run with all that its guest was told: with which overrides it last came up, maybe
 * after a crash that nobody told of. Trove's agents do not say so.
 */
const Waits = Schema.Struct({ came_up_with: Values })

/** A server did not start with its overrides, and runs with those of before: what it said of them. Trove's agents do not say so. */
export const TakenBack = Schema.Struct({ taken_back: Schema.String })

/** How an upgrade stands; `message`: why it failed, and the version of before serves. */
export const UpgradeStanding = Schema.Union([
  Schema.Struct({ state: Schema.Literals(["working", "done"]) }),
  Schema.Struct({ state: Schema.Literal("failed"), message: Schema.String })
])
export type UpgradeStanding = typeof UpgradeStanding.Type

/** Another version for a guest's server, by the operation that brings it. */
export const UpgradeInfo = Schema.Struct({
  operation: Schema.String,
  datastore_version: Schema.String,
  image: Schema.String,
  /** Nobody waits for it any more: it goes back, where it has not come to its end, and is never begun. */
  called_off: Schema.Boolean
})
export type UpgradeInfo = typeof UpgradeInfo.Type

export const GuestApi = RpcGroup.make(
  /** Make the database and all that is asked for in it. Told again, it goes on where it was. */
  cast(
    "prepare",
    {
      packages: Schema.Union([Schema.String, Schema.Array(Schema.String)]),
      databases: Schema.Array(Database),
      users: Schema.Array(NewUser),
      memory_mb: Schema.Int,
      root_password: Schema.NullOr(Password),
      ds_version: Schema.String,
      /** Where the volume is and shall be mounted, and the server's configuration: for agents that do not know. */
      device_path: Schema.NullOr(Schema.String),
      mount_point: Schema.NullOr(Schema.String),
      config_contents: Schema.NullOr(Schema.String)
    },
    { version: "1.1", notification: "DBaaSInstanceCreate" }
  ),
  call("rpc_ping", {}, { success: Schema.Boolean, timeout: low }),
  call(
    "get_filesystem_stats",
    { fs_path: Schema.NullOr(Schema.String) },
    { success: FilesystemStats, error: GuestRefusal, timeout: low }
  ),
  /**
   * Stop the database and start it again; answered when a client can log in. Not with a disk that takes nothing, on
   * which it would not come up again.
   */
  call(
    "restart",
    {},
    {
      success: Schema.Union([TakenBack, Schema.Void]),
      error: Schema.Union([GuestRefusal, DiskError]),
      timeout: high,
      notification: "DBaaSInstanceRestart"
    }
  ),
  /**
   * Take the server apart and make it anew over its data, from this very program; answered when a client can log in.
   * Refused, and nothing touched, where it works with another one, or where it could not be made anew; for now while the
   * image of it is fetched, which goes on. Trove's agents take
   * it for a cast, and answer nothing.
   */
  call(
    "rebuild",
    { ds_version: Schema.String, image: Schema.String },
    {
      success: Schema.Union([TakenBack, Schema.Void]),
      error: Schema.Union([GuestRefusal, DiskError]),
      timeout: high
    }
  ),
  /** What the machine has for the server; null where none runs. Trove's agents know no such method. */
  call("get_hwinfo", {}, { success: Schema.NullOr(Hardware), error: GuestRefusal, timeout: low }),
  /** How the server's process is; null where none runs. Trove's agents know no such method. */
  call("get_diagnostics", {}, { success: Schema.NullOr(Diagnostics), error: GuestRefusal, timeout: low }),
  /** Bring the database to a clean end; it stays so, whatever is started anew, until a restart brings it back. */
  call("stop_db", {}, { error: Schema.Union([GuestRefusal, DiskError]), timeout: high, version: "1.1" }),
  /** The server is started with these settings from now on; kept before it is answered. With `remove`, with none of before. */
  call(
    "update_overrides",
    { overrides: Values, remove: Schema.Boolean },
    { error: Schema.Union([GuestRefusal, DiskError]), timeout: high }
  ),
  /** The server takes at once what can be taken at once. */
  call(
    "apply_overrides",
    { overrides: Values },
    { success: Schema.Union([Waits, Schema.Void]), error: GuestRefusal, timeout: high }
  ),
  /**
   * The server has the memory and the processors that its machine has for it now, and takes at once what can be taken at
   * once; whether it waits for a restart, or is down. Ours alone: Trove's agents start their server with a whole new
   * configuration instead.
   */
  call(
    "apply_flavor",
    { memory_mb: Schema.Int, vcpus: Schema.Int },
    { success: Schema.Struct({ restart_required: Schema.Boolean }), error: GuestRefusal, timeout: high }
  ),
  /** For Trove's agents: stop the server, write its configuration anew, and start it. */
  call(
    "start_db_with_conf_changes",
    { config_contents: Schema.NullOr(Schema.String), ds_version: Schema.String },
    { error: GuestRefusal, timeout: high, version: "1.1" }
  ),
  /** For Trove's agents: the file system of the volume grows to all that its device has. */
  call(
    "resize_fs",
    { device_path: Schema.NullOr(Schema.String), mount_point: Schema.NullOr(Schema.String), online: Schema.Boolean },
    { error: GuestRefusal, timeout: high, version: "1.1" }
  ),
  /**
   * Ours: clients of these networks reach the database from now on, and no others; with none, everybody. Enforced, and kept
   * for the next start, before it is answered.
   */
  call("update_access", { allowed_cidrs: Networks }, { error: Schema.Union([GuestRefusal, DiskError]), timeout: low }),
  /**
   * The server is to be of another version: tried on a copy of the data, and gone back from where it does not serve. Begun
   * once, and answered at once with how it stands. Trove's agents take it for a cast, and answer nothing.
   */
  call(
    "upgrade",
    { upgrade_info: UpgradeInfo },
    { success: UpgradeStanding, error: Schema.Union([GuestRefusal, DiskError]), timeout: low }
  ),
  /** Nobody wants to go back: the data that the upgrade has kept is removed. */
  call(
    "post_upgrade",
    { upgrade_info: Schema.Struct({ operation: Schema.String }) },
    { error: Schema.Union([GuestRefusal, DiskError]), timeout: high }
  ),
  call(
    "guest_log_list",
    {},
    { success: Schema.Array(LogDetails).check(Schema.isMaxLength(20)), error: GuestRefusal, timeout: high }
  ),
  /** Shows the log, after what is asked for was done: one that is published is switched on for it. */
  call(
    "guest_log_action",
    {
      log_name: LogName,
      enable: Schema.Boolean,
      disable: Schema.Boolean,
      publish: Schema.Boolean,
      discard: Schema.Boolean
    },
    { success: LogDetails, error: GuestRefusal, timeout: high }
  ),
  /** Ours: lines from `offset` on, or the last ones. Trove's agents put them into an object store instead. */
  call(
    "guest_log_text",
    {
      log_name: LogName,
      offset: Schema.NullOr(Schema.Int.check(Schema.isGreaterThanOrEqualTo(0))),
      lines: Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: maxLines }))
    },
    { success: LogText, error: GuestRefusal, timeout: low }
  ),
  call("list_databases", Page, {
    success: Schema.Tuple([Schema.Array(Database), Schema.NullOr(Schema.String)]),
    error: GuestRefusal,
    timeout: low
  }),
  call("list_users", Page, {
    success: Schema.Tuple([Schema.Array(User), Schema.NullOr(Schema.String)]),
    error: GuestRefusal,
    timeout: high
  }),
  call("get_user", ofUser, { success: Schema.NullOr(User), error: GuestRefusal, timeout: low }),
  call(
    "create_database",
    { databases: Schema.Array(Database) },
    { error: GuestRefusal, timeout: low, notification: "DBaaSDatabaseCreate" }
  ),
  call(
    "delete_database",
    { database: NamedDatabase },
    { error: GuestRefusal, timeout: low, notification: "DBaaSDatabaseDelete" }
  ),
  call(
    "create_user",
    { users: Schema.Array(NewUser) },
    { error: GuestRefusal, timeout: low, notification: "DBaaSUserCreate" }
  ),
  call(
    "delete_user",
    {
      user: Schema.Struct({ name: Schema.String, host: Schema.NullOr(Schema.String) }).pipe(
        Schema.encodeKeys({ name: "_name", host: "_host" })
      )
    },
    { error: GuestRefusal, timeout: low, notification: "DBaaSUserDelete" }
  ),
  call(
    "change_passwords",
    { users: Schema.Array(NewPassword) },
    { error: GuestRefusal, timeout: low, notification: "DBaaSUserChangePassword" }
  ),
  /** A user that is renamed, or that belongs to another host, keeps what it may. */
  call(
    "update_attributes",
    { ...ofUser, user_attrs: UserChange },
    { error: GuestRefusal, timeout: low, notification: "DBaaSUserUpdateAttributes" }
  ),
  call(
    "grant_access",
    { ...ofUser, databases: Schema.Array(Schema.String) },
    { error: GuestRefusal, timeout: low, notification: "DBaaSUserGrant" }
  ),
  call(
    "revoke_access",
    { ...ofUser, database: Schema.String },
    { error: GuestRefusal, timeout: low, notification: "DBaaSUserRevoke" }
  ),
  call("enable_root", {}, { success: RootUser, error: GuestRefusal, timeout: high }),
  call(
    "enable_root_with_password",
    { root_password: Password },
    { success: RootUser, error: GuestRefusal, timeout: high }
  ),
  call("disable_root", {}, { error: GuestRefusal, timeout: low })
).annotateRpcs(ForeignFailure, (message) => ({ _tag: "GuestRefusal", message: firstLine(message) }))
export type GuestMethods = RpcGroup.Rpcs<typeof GuestApi>
