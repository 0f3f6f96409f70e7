/**
 * Servers that a program of the operator makes and removes, in whatever cloud there is: for Trove's agents, which
 * expect a machine of their own. The program is run with the verb `ensure`, `destroy` or `list` as its last argument, and
 * is told the rest as JSON on its standard input. Exit 0: done; 75: try again later; any other: it cannot be done.
 *
 * `list` is for audits, and may be left out: it changes nothing and tells on its standard output, as JSON, of every
 * instance that there is anything of, whoever ordered it: {"instances": [{"instance_id": "…"}]}.
 *
 * What the program must see to, for nobody else can:
 * - Both verbs may come again at any time, and to ask twice is to ask once: an ensure of a server that is there, and a
 *   destroy of one that is not, succeed.
 * - An ensure with other memory, processors or volume than before is a resize: the server is made so, and a volume never
 *   smaller. One that cannot be made so is a failure, and the server stays as it is.
 * - It takes one call at a time for each instance, wherever it is run. A call that takes too long is killed, but one
 *   whose taskmanager was killed goes on, and the next taskmanager calls meanwhile, from another machine perhaps.
 * - A destroy wins. When it has ended with 0, no ensure that was called before makes anything more, also one that is
 *   still under way or has yet to get its turn. An instance that was destroyed is never made again, so the program may
 *   note which were, and refuse to make them.
 */
import { Context, Duration, Effect, Layer, Redacted, Schema, Semaphore } from "effect"
import { ComputeError, type ServerSpec } from "../../services/Compute.ts"
import type { GuestLink } from "../../services/GuestAccess.ts"
import { InstanceId } from "../../services/Ids.ts"
import { parseUrl } from "../fabric/amqp/Urls.ts"
import type { QueueKind } from "../fabric/oslo/Topology.ts"
import { type Outcome, type ProgramNotRun, run } from "./OperatorProgram.ts"
import { troveAgentFiles } from "./TroveAgentFiles.ts"

/** How long a program may take: below the deadline of the step that waits for it. */
export const programDeadline = Duration.seconds(110)

/** How many programs run at once. */
const maxRunning = 16

/** The customary exit code for what may go well later (`EX_TEMPFAIL`). */
const tryAgain = 75

/** How much of what the program said is kept, in characters. */
const maxDetail = 2000

/** What the program is told to ensure. */
const ServerOrder = Schema.fromJsonString(
  Schema.Struct({
    instance_id: Schema.String,
    manager: Schema.String,
    version: Schema.String,
    image: Schema.String,
    memory_mb: Schema.Int,
    vcpus: Schema.Int,
    /** GB */
    volume_size: Schema.Int,
    address: Schema.String,
    /** Text of the agent's `guest_info.conf`. */
    guest_info: Schema.RedactedFromValue(Schema.String),
    /** Text of the agent's `trove-guestagent.conf`. */
    agent_conf: Schema.RedactedFromValue(Schema.String)
  })
)
const encodeOrder = Schema.encodeEffect(ServerOrder)
const encodeRemoval = Schema.encodeEffect(Schema.fromJsonString(Schema.Struct({ instance_id: Schema.String })))

/** How much of a list is read, in bytes: more than a hundred thousand instances. */
const maxListed = 16 << 20

const decodeListed = Schema.decodeEffect(
  Schema.fromJsonString(Schema.Struct({ instances: Schema.Array(Schema.Struct({ instance_id: Schema.String })) }))
)
const isInstanceId = Schema.is(InstanceId)

const untold = (detail: string) =>
  new ComputeError({
    message: "The operator's program does not tell what it has made (verb `list`).",
    detail,
    transient: true
  })

export class CommandCompute extends Context.Service<
  CommandCompute,
  {
    /** The server exists and its agent runs. Ensured. */
    readonly ensure: (spec: ServerSpec, link: GuestLink | null) => Effect.Effect<void, ComputeError>
    /** Nothing is left of the server. Ensured. */
    readonly destroy: (id: InstanceId) => Effect.Effect<void, ComputeError>
    /** Every instance that there is anything of. Fails where the program does not know to tell. */
    readonly list: Effect.Effect<ReadonlyArray<InstanceId>, ComputeError>
  }
>()("coffer/layers/compute/CommandCompute") {}

export interface Settings {
  /** The program and its arguments; the verb follows them. */
  readonly command: readonly [string, ...ReadonlyArray<string>]
  /** How agents declare their queues. */
  readonly queues: QueueKind
}

/** Everything in a link that nobody may read, in the forms in which it is told. */
const secretsOf = (link: GuestLink): ReadonlyArray<string> => {
  const passwords = link.urls.flatMap(parseUrl).map(({ password }) => Redacted.value(password))
  return [Redacted.value(link.key), ...passwords, ...passwords.map(encodeURIComponent)]
}

/** What the program said, for the operator. It may have said what it was told: then not that. */
const detailOf = ({ code, said }: Outcome, secrets: ReadonlyArray<string>) => {
  const clean = secrets.reduce((text, secret) => text.replaceAll(secret, "(secret)"), said)
  return `the program ended with ${code ?? "a signal"}: ${clean.trim().slice(-maxDetail)}`
}

const cannotRun = ({ detail, transient }: ProgramNotRun) =>
  new ComputeError({ message: "Servers cannot be made now.", detail: `the program cannot run: ${detail}`, transient })

const make = Effect.fnUntraced(function* ({ command, queues }: Settings) {
  const bounded = (yield* Semaphore.make(maxRunning)).withPermits(1)

  const runVerb = (verb: string, input: string, maxOutput = 0) =>
    run([...command, verb], Redacted.make(input), maxOutput).pipe(
      Effect.mapError(cannotRun),
      Effect.timeoutOrElse({
        duration: programDeadline,
        orElse: () => {
          const detail = `the program did not end within ${Duration.format(programDeadline)}, and was killed`
          return Effect.fail(new ComputeError({ message: "The server takes too long.", detail, transient: true }))
        }
      })
    )

  const tell = Effect.fnUntraced(function* (verb: string, input: string, secrets: ReadonlyArray<string>) {
    const outcome = yield* runVerb(verb, input)
    if (outcome.code === 0) return
    const transient = outcome.code === tryAgain
    const message = verb === "ensure" ? "The server could not be made." : "The server could not be removed."
    return yield* new ComputeError({ message, detail: detailOf(outcome, secrets), transient })
  }, bounded)

  return CommandCompute.of({
    ensure: Effect.fn("CommandCompute.ensure")(function* (spec, link) {
      if (link === null) {
        const detail = "Trove's agents need a broker"
        return yield* new ComputeError({ message: "The server could not be made.", detail, transient: false })
      }
      const { agentConf, guestInfo } = troveAgentFiles(spec, link, queues)
      const order = yield* Effect.orDie(
        encodeOrder({
          instance_id: spec.instanceId,
          manager: spec.manager,
          version: spec.version,
          image: spec.image,
          memory_mb: spec.memoryMb,
          vcpus: spec.vcpus,
          volume_size: spec.volumeSize,
          address: spec.address,
          guest_info: guestInfo,
          agent_conf: agentConf
        })
      )
      yield* tell("ensure", order, secretsOf(link))
    }),
    destroy: Effect.fn("CommandCompute.destroy")(function* (id) {
      yield* tell("destroy", yield* Effect.orDie(encodeRemoval({ instance_id: id })), [])
    }),
    list: Effect.gen(function* () {
      const outcome = yield* runVerb("list", "{}", maxListed)
      if (outcome.code !== 0) return yield* untold(detailOf(outcome, []))
      const { instances } = yield* Effect.mapError(decodeListed(outcome.output), () =>
        untold(
          `what it wrote to its standard output (at most ${maxListed} bytes are read) is not {"instances": [{"instance_id": "…"}]}`
        )
      )
      const ids = new Set(instances.map(({ instance_id: id }) => id).filter(isInstanceId))
      return [...ids].toSorted()
    }).pipe(bounded, Effect.withSpan("CommandCompute.list"))
  })
})

export const layer = (settings: Settings): Layer.Layer<CommandCompute> => Layer.effect(CommandCompute, make(settings))

const lacking = (message: string) =>
  Effect.fail(new ComputeError({ message, detail: "there is no compute_command", transient: false }))

const refused = () => lacking("Databases of this kind cannot be made here.")

/** Where the operator has no such program. */
export const none: Layer.Layer<CommandCompute> = Layer.succeed(
  CommandCompute,
  CommandCompute.of({ ensure: refused, destroy: refused, list: lacking("Nobody can tell what was made.") })
)
