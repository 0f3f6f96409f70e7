/**
 * A guest's server that is taken apart, so that the start which follows makes it anew over its data: from the program that
 * it works with, and no other. Another program on the same data is an upgrade, which has a way back.
 */
import { Effect } from "effect"
import type { DiskError } from "../services/Disk.ts"
import { GuestRefusal } from "../services/GuestApi.ts"
import {
  type DatabaseRuntimeShape,
  type DatabaseSpec,
  otherProgram,
  type Progress,
  type RuntimeError
} from "./DatabaseRuntime.ts"
import type { Program } from "./GuestNotes.ts"

interface Parts {
  readonly runtime: DatabaseRuntimeShape
  /** What the server is now, after whatever an upgrade has left is put back. */
  readonly settled: Effect.Effect<DatabaseSpec, RuntimeError | DiskError>
  readonly tell: Progress
}

/** Refused, and nothing touched, where the server works with another program than who asks takes it for. */
export const takeApart = ({ runtime, settled, tell }: Parts) =>
  Effect.fnUntraced(
    function* ({ image, version }: Program) {
      const current = yield* settled
      if (current.version !== version || current.image !== image)
        return yield* new GuestRefusal({ message: otherProgram })
      yield* Effect.tapError(runtime.takeApart(current, tell), ({ detail, message }) =>
        Effect.logWarning(`${message} ${detail}`)
      )
    },
    Effect.mapError(({ message }) => new GuestRefusal({ message }))
  )
