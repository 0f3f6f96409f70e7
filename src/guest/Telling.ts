/** What a guest tells of the machine that its server has, and of the server's process. */
import { Duration, Effect } from "effect"
import { GuestRefusal } from "../services/GuestApi.ts"
import type { Diagnostics } from "../services/MachineFacts.ts"
import type { DatabaseRuntimeShape, DatabaseSpec } from "./DatabaseRuntime.ts"
import type { DatastoreSession } from "./DatastoreManager.ts"

/** How long a server is asked for its version: one that hangs is what somebody asks about. */
const versionWithin = Duration.seconds(3)

const asRefusal = ({ message }: { readonly message: string }) => new GuestRefusal({ message })

interface Parts {
  readonly runtime: DatabaseRuntimeShape
  readonly session: DatastoreSession
  readonly database: DatabaseSpec
  /** Which version it is to be. */
  readonly version: Effect.Effect<string>
}

export const make = ({ database, runtime, session, version }: Parts) => {
  const toldVersion = session.version.pipe(
    Effect.timeoutOrElse({ duration: versionWithin, orElse: () => version }),
    Effect.catch(() => version),
    Effect.map((version) => version.slice(0, 100).toWellFormed().replaceAll("\0", ""))
  )
  const diagnostics = Effect.gen(function* () {
    const facts = yield* runtime.process(database)
    if (facts === null) return null
    const told: Diagnostics = { version: yield* toldVersion, ...facts }
    return told
  })
  return {
    hardware: Effect.mapError(runtime.hardware(database), asRefusal),
    diagnostics: Effect.mapError(diagnostics, asRefusal)
  }
}
