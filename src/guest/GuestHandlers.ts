/** The methods of the guest's RPC server, in terms of its database session. */
import { Effect, Redacted } from "effect"
import { SecureRandom } from "effect/crypto"
import type { Handlers } from "../services/Contract.ts"
import type { Values } from "../services/configuration/Parameter.ts"
import type { DiskError } from "../services/Disk.ts"
import { type GuestMethods, GuestRefusal, type UpgradeInfo, type UpgradeStanding } from "../services/GuestApi.ts"
import type { LogAction, LogDetails, LogPart, LogText } from "../services/InstanceLogs.ts"
import type { Diagnostics, Hardware } from "../services/MachineFacts.ts"
import type { Provisioning } from "../services/Provisioning.ts"
import type { DatastoreSession } from "./DatastoreManager.ts"
import type { Program } from "./GuestNotes.ts"
import type { VolumeRoom } from "./VolumeRoom.ts"
import { gigabyte } from "./VolumeWatch.ts"

/** Trove's `default_password_length`. */
export const passwordLength = 36

const alphabet = "ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnpqrstuvwxyz23456789"

/** A password that needs no quoting anywhere. */
export const drawPassword: Effect.Effect<Redacted.Redacted> = Effect.sync(() => {
  let password = ""
  while (password.length < passwordLength) {
    // Bytes beyond the last whole multiple are thrown away, so that each letter is as likely as another.
    for (const byte of SecureRandom.randomBytesUnsafe(64)) {
      if (byte < 256 - (256 % alphabet.length)) password += alphabet[byte % alphabet.length]
    }
  }
  return Redacted.make(password.slice(0, passwordLength))
})

/** What the agent does by itself, beside what its session does in the database. */
interface AgentMethods {
  readonly prepare: (order: Provisioning) => Effect.Effect<void>
  /** Why the settings that were wanted were taken back; null where they were not. */
  readonly restart: Effect.Effect<string | null, GuestRefusal | DiskError>
  readonly upgrade: (info: UpgradeInfo) => Effect.Effect<UpgradeStanding, GuestRefusal | DiskError>
  readonly forgetUpgraded: Effect.Effect<void, GuestRefusal | DiskError>
  /** As a restart, of what works with this very program. */
  readonly rebuild: (program: Program) => Effect.Effect<string | null, GuestRefusal | DiskError>
  readonly hardware: Effect.Effect<Hardware | null, GuestRefusal>
  readonly diagnostics: Effect.Effect<Diagnostics | null, GuestRefusal>
  readonly updateOverrides: (overrides: Values) => Effect.Effect<void, GuestRefusal | DiskError>
  readonly stop: Effect.Effect<void, GuestRefusal | DiskError>
  readonly updateAccess: (networks: ReadonlyArray<string>) => Effect.Effect<void, GuestRefusal | DiskError>
  /** What the server came up with, where it waits for a restart; null where it has all of it. */
  readonly applyOverrides: (overrides: Values) => Effect.Effect<Values | null, GuestRefusal>
  readonly logs: LogMethods
  /** Whether the server waits for a restart, or is down. */
  readonly applyFlavor: (flavor: {
    readonly memoryMb: number
    readonly vcpus: number
  }) => Effect.Effect<boolean, GuestRefusal>
}

interface LogMethods {
  readonly list: Effect.Effect<ReadonlyArray<LogDetails>, GuestRefusal>
  readonly action: (log: string, wanted: LogAction) => Effect.Effect<LogDetails, GuestRefusal>
  readonly text: (log: string, part: LogPart) => Effect.Effect<LogText, GuestRefusal>
}

/** What only Trove's agents have to be told. */
const needless = new GuestRefusal({ message: "This guest agent sees to that by itself." })

export const makeHandlers = (
  session: DatastoreSession,
  {
    applyFlavor,
    applyOverrides,
    diagnostics,
    forgetUpgraded,
    hardware,
    logs,
    prepare,
    rebuild,
    restart,
    stop,
    updateAccess,
    updateOverrides,
    upgrade
  }: AgentMethods,
  room: VolumeRoom
): Handlers<GuestMethods> => {
  const enableRoot = (password: Redacted.Redacted) =>
    Effect.as(session.enableRoot(password), { name: "root", password })
  const takenBack = (reason: string | null) => (reason === null ? undefined : { taken_back: reason })
  return {
    prepare: ({ databases, users }) => prepare({ databases, users }),
    rpc_ping: () => Effect.succeed(true),
    restart: () => Effect.map(restart, takenBack),
    rebuild: ({ ds_version: version, image }) => Effect.map(rebuild({ version, image }), takenBack),
    get_hwinfo: () => hardware,
    get_diagnostics: () => diagnostics,
    stop_db: () => stop,
    // Ours hold what they were told last, and nothing of before.
    update_overrides: ({ overrides }) => updateOverrides(overrides),
    apply_overrides: ({ overrides }) =>
      Effect.map(applyOverrides(overrides), (good) => (good === null ? undefined : { came_up_with: good })),
    upgrade: ({ upgrade_info }) => upgrade(upgrade_info),
    post_upgrade: () => forgetUpgraded,
    apply_flavor: ({ memory_mb: memoryMb, vcpus }) =>
      Effect.map(applyFlavor({ memoryMb, vcpus }), (restart_required) => ({ restart_required })),
    start_db_with_conf_changes: () => Effect.fail(needless),
    resize_fs: () => Effect.fail(needless),
    // Where the volume has no end of its own, the server is asked what it takes, and does not answer when it is down.
    get_filesystem_stats: Effect.fnUntraced(function* () {
      const stats = yield* room.stats
      if (stats !== null) return { total: stats.total / gigabyte, used: stats.used / gigabyte }
      return { total: yield* room.size, used: (yield* session.usedBytes) / gigabyte }
    }),
    update_access: ({ allowed_cidrs }) => updateAccess(allowed_cidrs),
    guest_log_list: () => logs.list,
    guest_log_action: ({ log_name, ...wanted }) => logs.action(log_name, wanted),
    guest_log_text: ({ log_name, ...part }) => logs.text(log_name, part),
    list_databases: ({ include_marker, limit, marker }) =>
      session.listDatabases({ limit, marker, includeMarker: include_marker }),
    list_users: ({ include_marker, limit, marker }) =>
      session.listUsers({ limit, marker, includeMarker: include_marker }),
    get_user: ({ hostname, username }) => session.getUser(username, hostname),
    create_database: ({ databases }) => session.createDatabases(databases),
    delete_database: ({ database }) => session.deleteDatabase(database.name),
    create_user: ({ users }) => session.createUsers(users),
    delete_user: ({ user }) => session.deleteUser(user.name, user.host),
    change_passwords: ({ users }) => session.changePasswords(users),
    update_attributes: ({ hostname, user_attrs, username }) => session.updateUser(username, hostname, user_attrs),
    grant_access: ({ databases, hostname, username }) => session.grant(username, hostname, databases),
    revoke_access: ({ database, hostname, username }) => session.revoke(username, hostname, database),
    enable_root: () => Effect.flatMap(drawPassword, enableRoot),
    enable_root_with_password: ({ root_password }) => enableRoot(root_password),
    disable_root: () => session.disableRoot
  }
}
