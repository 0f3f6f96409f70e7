/**
 * What a guest's server may use of its machine, which changes while its agent runs: a server is given more before it takes
 * more, and less when it has given it back, which a restart sees to.
 */
import { Effect } from "effect"
import type { ServerSpec } from "../services/Compute.ts"
import type { Values } from "../services/configuration/Parameter.ts"
import { flavorSettings } from "../services/configuration/ServerFile.ts"
import type { DiskError } from "../services/Disk.ts"
import { GuestRefusal } from "../services/GuestApi.ts"
import type { DatabaseRuntimeShape, DatabaseSpec, RuntimeError } from "./DatabaseRuntime.ts"
import type { DatastoreSession } from "./DatastoreManager.ts"
import type { GuestNotes } from "./GuestNotes.ts"

/** What of a server changes while its agent runs. */
export type ServerSize = Pick<ServerSpec, "memoryMb" | "vcpus">

interface Parts {
  readonly notes: GuestNotes["Service"]
  readonly runtime: DatabaseRuntimeShape
  readonly session: DatastoreSession
  readonly spec: ServerSpec
  /** The database as it is now. */
  readonly database: () => DatabaseSpec
  readonly configure: (overrides: Values) => Effect.Effect<void, RuntimeError | DiskError>
  readonly isServing: Effect.Effect<boolean>
}

/** What a server is told because of its size. */
export const settingsOf = ({ manager }: ServerSpec, { memoryMb }: ServerSize) => flavorSettings(manager, memoryMb)

/** Has the server be of the size that the machine has made it; answers whether that takes a restart. */
export const make = ({ configure, database, isServing, notes, runtime, session, spec }: Parts) =>
  Effect.fnUntraced(
    function* (wanted: ServerSize) {
      const { memoryMb, vcpus } = database()
      if (memoryMb !== wanted.memoryMb || vcpus !== wanted.vcpus)
        return yield* new GuestRefusal({ message: "The machine of the database has not made it of that size." })
      yield* runtime.limit(database(), "atLeast")
      const { wanted: overrides } = yield* notes.overrides
      yield* configure(overrides)
      if (!(yield* isServing)) return true
      // What the configuration group has is over what the flavor gives, and stays.
      const changes = Object.entries(settingsOf(spec, database())).filter(([name]) => !(name in overrides))
      if (yield* session.applySettings(Object.fromEntries(changes))) return true
      yield* runtime.limit(database(), "exactly")
      return false
    },
    Effect.mapError((error) => new GuestRefusal({ message: error.message }))
  )
