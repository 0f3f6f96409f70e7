/** A machine's disk that takes nothing: how it is called, what is told of it, and that it is told once. */
import { Effect, Schema } from "effect"

/** `DiskFull`: there is no room, or its owner may have no more. `DiskFailing`: it cannot be written to at all. */
export const diskTroubles = ["DiskFull", "DiskFailing"] as const
const DiskTrouble = Schema.Literals(diskTroubles)
export type DiskTrouble = typeof DiskTrouble.Type

const isDiskTrouble = Schema.is(DiskTrouble)

/** Fit for a tenant. */
const messages: Record<DiskTrouble, string> = {
  DiskFull: "The disk of the database's machine is full.",
  DiskFailing: "The disk of the database's machine cannot be written to."
}

/** What a tenant is told of a failure with this reason: of a disk's what is the matter with it, else `otherwise`. */
export const diskMessageOr = (reason: string, otherwise: string): string =>
  isDiskTrouble(reason) ? messages[reason] : otherwise

/** What was to be kept is not; the file is as it was. */
export class DiskError extends Schema.TaggedError<DiskError>()("DiskError", {
  trouble: DiskTrouble,
  /** The path, and what the system said; for an operator. */
  detail: Schema.String
}) {
  override get message() {
    return messages[this.trouble]
  }
}

/**
 * Tells the log what is the matter with a disk, and that it is well again, each once, however often it is tried
 * meanwhile. `waits`: what there is not for as long, "stamps are not kept".
 */
export const makeTellOnce = (waits: string) => {
  let told: DiskTrouble | null = null
  const trouble = ({ detail, message, trouble }: DiskError) =>
    Effect.suspend(() => {
      if (told === trouble) return Effect.void
      told = trouble
      return Effect.logError(`${message} Until it can be written to again, ${waits}: ${detail}`)
    })
  const isWell = Effect.suspend(() => {
    if (told === null) return Effect.void
    told = null
    return Effect.logInfo(`The disk can be written to again; it is no longer so that ${waits}.`)
  })
  return <A, E, R>(writing: Effect.Effect<A, E | DiskError, R>): Effect.Effect<A, E | DiskError, R> =>
    writing.pipe(
      Effect.tap(isWell),
      Effect.tapError((error) => (error instanceof DiskError ? trouble(error) : Effect.void))
    )
}
