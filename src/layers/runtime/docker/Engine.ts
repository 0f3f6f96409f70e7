/**
 * The container engine as a service: which one there is, whether it answers, and one way to call it.
 *
 * Only an engine of this machine will do: databases get folders of this machine as volumes, and are
 * published on its loopback addresses.
 */
import Dockerode from "dockerode"
import { Config, Context, Effect, Layer, type Option, Predicate, Schema } from "effect"

/** The engine refused, or could not be reached; `status` is its HTTP status, null when there was no answer. */
export class EngineError extends Schema.TaggedError<EngineError>()("EngineError", {
  status: Schema.NullOr(Schema.Int),
  detail: Schema.String
}) {}

export interface EngineShape {
  readonly docker: Dockerode
  readonly socket: string
  readonly version: string
  /** Processors of the machine: the engine refuses a container that asks for more. */
  readonly cpus: number
}

/** Calls the engine; the signal is aborted when the caller is interrupted. */
export const request = <A>(call: (signal: AbortSignal) => Promise<A>): Effect.Effect<A, EngineError> =>
  Effect.tryPromise({
    try: call,
    catch: (error) =>
      new EngineError({
        status:
          Predicate.hasProperty(error, "statusCode") && Predicate.isNumber(error.statusCode) ? error.statusCode : null,
        detail: error instanceof Error ? error.message : String(error)
      })
  })

/** What the engine has no trace of is null instead of an error. */
export const orAbsent = <A, R>(effect: Effect.Effect<A, EngineError, R>): Effect.Effect<A | null, EngineError, R> =>
  Effect.catchIf(
    effect,
    (error) => error.status === 404,
    () => Effect.succeed(null)
  )

/** What was so already is no error: the engine answers 304 to a stop of what is stopped, a start of what runs. */
export const orAlready = <A, R>(effect: Effect.Effect<A, EngineError, R>): Effect.Effect<void, EngineError, R> =>
  Effect.catchIf(
    Effect.asVoid(effect),
    (error) => error.status === 304,
    () => Effect.void
  )

/** No container has this name after it. */
export const discardContainer = Effect.fnUntraced(function* (docker: Dockerode, name: string) {
  const container = docker.getContainer(name)
  yield* orAbsent(request(() => container.remove({ force: true, v: true }))).pipe(
    // Being removed already: gone when the wait ends.
    Effect.catchIf(
      (error) => error.status === 409,
      () => orAbsent(request(() => container.wait({ condition: "removed" })))
    )
  )
})

const defaultHost = "unix:///var/run/docker.sock"
/** A daemon that accepts but does not answer within this is as good as none. */
const answerWithin = "5 seconds"

/** Connects to `DOCKER_HOST`, or to the usual socket. */
const connect = Effect.gen(function* () {
  const host = yield* Config.String("DOCKER_HOST").pipe(Config.withDefault(defaultHost))
  if (!host.startsWith("unix://")) {
    return yield* new EngineError({ status: null, detail: `DOCKER_HOST is ${host}: only unix:// is supported` })
  }
  const socket = host.slice("unix://".length)
  const docker = new Dockerode({ socketPath: socket })
  yield* request(() => docker.ping())
  const [version, info] = yield* Effect.all([request(() => docker.version()), request(() => docker.info())])
  const cpus = Predicate.hasProperty(info, "NCPU") && Predicate.isNumber(info.NCPU) ? info.NCPU : 1
  return { docker, socket, version: version.Version, cpus } satisfies EngineShape
}).pipe(
  Effect.timeoutOrElse({
    duration: answerWithin,
    orElse: () => Effect.fail(new EngineError({ status: null, detail: `no answer within ${answerWithin}` }))
  })
)

/** Whether it, which answered once, answers now. */
export const answers = ({ docker }: EngineShape): Effect.Effect<boolean> =>
  Effect.isSuccess(
    Effect.timeout(
      request(() => docker.ping()),
      answerWithin
    )
  )

export class Engine extends Context.Service<Engine, EngineShape>()("coffer/layers/runtime/docker/Engine") {
  static readonly layer = Layer.effect(Engine, connect)

  /** The engine if one answers: what the choice between the docker and the process runtime is made by. */
  static readonly find: Effect.Effect<Option.Option<EngineShape>> = Effect.option(connect)
}
