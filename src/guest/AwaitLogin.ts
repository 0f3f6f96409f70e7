/** How a guest waits for its server after a start: until a client can log in, or it is clear that none will. */
import { Duration, Effect, Schedule, Schema } from "effect"
import type { DatabaseRuntimeShape, DatabaseSpec } from "./DatabaseRuntime.ts"
import type { DatastoreSession } from "./DatastoreManager.ts"

/** How long a server may take from its start until a client can log in (Trove's `state_change_wait_time`). */
const readyDeadline = Duration.seconds(180)

/** The order could not be carried out; `message` is fit for a tenant. */
export class OrderFailed extends Schema.TaggedError<OrderFailed>()("OrderFailed", {
  message: Schema.String,
  /** Whether waiting any longer is of no use. */
  final: Schema.Boolean
}) {}

/** Waits until a client can log in; a server that dies meanwhile is not waited for. */
export const awaitLogin = (database: DatabaseSpec, runtime: DatabaseRuntimeShape, session: DatastoreSession) =>
  session.ping.pipe(
    Effect.catch(({ message }) =>
      Effect.gen(function* () {
        const state = yield* Effect.orElseSucceed(runtime.status(database), () => "running" as const)
        if (state === "running") return yield* new OrderFailed({ message, final: false })
        const lines = yield* Effect.orElseSucceed(runtime.logs(database, 5), () => "")
        yield* Effect.logError(`the database stopped while it was being started: ${lines}`)
        return yield* new OrderFailed({ message: "The database stopped while it was being started.", final: true })
      })
    ),
    Effect.retry({ while: ({ final }) => !final, schedule: Schedule.spaced("25 millis") }),
    Effect.timeoutOrElse({
      duration: readyDeadline,
      orElse: () => {
        const message = `Nobody could log in to the database within ${Duration.format(readyDeadline)}.`
        return Effect.fail(new OrderFailed({ message, final: true }))
      }
    })
  )
