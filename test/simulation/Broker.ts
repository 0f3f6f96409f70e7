/**
 * The fabric between processes that come and go: who serves a topic competes for its messages, and those get lost, come
 * twice, late or again much later, as over a broker. What a process had in hand when it was killed is given to another,
 * or to itself when it is back. Below it is the fabric in process, which carries what arrives.
 */
import { Clock, Context, Effect, Schedule } from "effect"
import type { Rpc, RpcGroup } from "effect/rpc"
import { clientOf, type Method, methodsOf } from "../../src/layers/fabric/ErasedContract.ts"
import type { Handlers } from "../../src/services/Contract.ts"
import { Fabric, FabricError } from "../../src/services/Fabric.ts"
import type { Dice } from "./Dice.ts"
import type { Faults } from "./Faults.ts"
import type { Meet } from "./FaultyServices.ts"
import { type Life, type VirtualTime, whileAlive } from "./VirtualTime.ts"

/** A process as the broker knows it. */
export interface Party {
  readonly name: string
  readonly life: Life
  /** What is done for others is done by its clock, and with what it knows. */
  readonly references: Context.Context<never>
  /** What a message meets that it sends. */
  readonly meet: Meet
}

interface Consumer {
  readonly party: Party
  /** What it serves below. */
  readonly queue: string
}

/** Milliseconds that a call waits for an answer that got lost. */
const patience = 15_000

/** A message without an answer, from when it was given to a process until that is done with it. */
interface InHand {
  readonly party: Party
  readonly deliverAgain: Effect.Effect<unknown, unknown>
}

/** Milliseconds after which the broker sees that a consumer is gone, and between two looks for another. */
const redelivery = 250
/** How often it looks. */
const maxLooks = 480

export class Broker {
  readonly #consumers = new Map<string, Array<Consumer>>()
  readonly #inHand = new Set<InHand>()
  readonly #core: Fabric["Service"]
  readonly #time: VirtualTime
  readonly #faults: Faults
  readonly #dice: Dice
  #queues = 0
  #awayUntil = 0

  constructor(core: Fabric["Service"], time: VirtualTime, faults: Faults, dice: Dice) {
    this.#core = core
    this.#time = time
    this.#faults = faults
    this.#dice = dice
  }

  /** The connections of a process are closed: what it was not done with is delivered again. */
  drop(party: Party) {
    const left = [...this.#inHand].filter((message) => message.party === party)
    for (const message of left) this.#inHand.delete(message)
    if (left.length > 0) Effect.runFork(this.#again(left), { scheduler: this.#time.scheduler })
    for (const [topic, consumers] of this.#consumers) {
      this.#consumers.set(
        topic,
        consumers.filter((consumer) => consumer.party !== party)
      )
    }
  }

  /** Delivers them to whoever is there, in the order in which they came. */
  #again(messages: ReadonlyArray<InHand>) {
    const untilTaken = Effect.forEach(messages, ({ deliverAgain }) =>
      Effect.ignore(Effect.retry(deliverAgain, { times: maxLooks, schedule: Schedule.spaced(redelivery) }))
    )
    return this.#later(redelivery, untilTaken)
  }

  away(millis: number) {
    this.#awayUntil = this.#time.now + millis
  }

  back() {
    this.#awayUntil = 0
  }

  get isAway() {
    return this.#time.now < this.#awayUntil
  }

  /** The fabric as one process has it. What comes of a sender who is not heard any more is put aside. */
  fabricOf(party: Party, isHeard: () => boolean = () => true): Fabric["Service"] {
    const serve: Fabric["Service"]["serve"] = <R extends Rpc.Any>(
      topic: string,
      contract: RpcGroup.RpcGroup<R>,
      handlers: Handlers<R>,
      options?: { readonly concurrency?: number }
    ) =>
      Effect.gen({ self: this }, function* () {
        const consumer = { party, queue: `${topic}@${party.name}#${++this.#queues}` }
        yield* this.#core.serve(
          consumer.queue,
          contract,
          handledBy(party, handlers, this.#takenBy(party, topic, contract)),
          options
        )
        this.#consumers.set(topic, [...(this.#consumers.get(topic) ?? []), consumer])
        yield* Effect.addFinalizer(() =>
          Effect.sync(() => {
            const others = this.#consumers.get(topic)?.filter((one) => one !== consumer)
            this.#consumers.set(topic, others ?? [])
          })
        )
      })

    const client: Fabric["Service"]["client"] = <R extends Rpc.Any>(topic: string, contract: RpcGroup.RpcGroup<R>) => {
      const route = this.#route(topic, contract, isHeard)
      return clientOf(
        contract,
        (tag, method) => (payload) =>
          party.meet(
            `send ${tag}`,
            this.#deliver(`${tag} to ${topic.slice(0, 17)} by ${party.name}`, method, route(tag, payload), topic, tag)
          )
      )
    }
    return Fabric.of({ serve, client })
  }

  #route<R extends Rpc.Any>(topic: string, contract: RpcGroup.RpcGroup<R>, isHeard: () => boolean = () => true) {
    return (tag: string, payload: unknown): Effect.Effect<unknown, unknown> =>
      Effect.suspend(() => {
        if (!isHeard()) return Effect.void
        const consumers = this.#consumers.get(topic) ?? []
        if (consumers.length === 0 || this.isAway) return unreachable(topic, tag)
        const below: unknown = Reflect.get(this.#core.client(this.#dice.pick(consumers).queue, contract), tag)
        return typeof below === "function" ? Reflect.apply(below, undefined, [payload]) : Effect.die(`no ${tag}`)
      })
  }

  /** Keeps a message that nobody waits for until `party` is done with it. */
  #takenBy<R extends Rpc.Any>(party: Party, topic: string, contract: RpcGroup.RpcGroup<R>): Taken {
    const methods = methodsOf(contract)
    const route = this.#route(topic, contract)
    return (tag, payload, handling) => {
      if (methods.get(tag)?.kind !== "cast") return handling
      const message: InHand = { party, deliverAgain: route(tag, payload) }
      return Effect.suspend(() => {
        // It was on its way to a process that is no more.
        if (party.life.over) return this.#again([message])
        this.#inHand.add(message)
        return Effect.onExit(handling, () => Effect.sync(() => void (party.life.over || this.#inHand.delete(message))))
      })
    }
  }

  #later(millis: number, effect: Effect.Effect<unknown, unknown>) {
    return Effect.ignoreCause(Effect.delay(effect, millis)).pipe(
      Effect.provideService(Clock.Clock, this.#time.clock),
      Effect.forkDetach,
      Effect.asVoid
    )
  }

  #deliver(what: string, method: Method, route: Effect.Effect<unknown, unknown>, topic: string, tag: string) {
    return Effect.gen({ self: this }, function* () {
      const faults = this.#faults
      if (method.kind === "call") {
        if (faults.strikes("call gets nowhere", what)) return yield* unreachable(topic, tag)
        if (!faults.strikes("answer is lost", what)) return yield* route
        yield* Effect.ignoreCause(route)
        yield* Effect.sleep(patience)
        return yield* new FabricError({ reason: "Timeout", topic, method: tag, detail: "the answer was lost" })
      }
      if (faults.strikes("message is dropped", what)) return
      if (faults.strikes("message is replayed", what)) {
        yield* this.#later(faults.lasts("message is replayed", 20_000, 150_000), route)
      }
      if (faults.strikes("message comes twice", what)) {
        yield* this.#later(faults.lasts("message comes twice", 1, 2_000), route)
      }
      if (faults.strikes("message is late", what)) {
        return yield* this.#later(faults.lasts("message is late", 100, 8_000), route)
      }
      return yield* route
    })
  }
}

const unreachable = (topic: string, method: string) =>
  Effect.fail(new FabricError({ reason: "Unreachable", topic, method, detail: "nobody serves it" }))

type Taken = (
  tag: string,
  payload: unknown,
  handling: Effect.Effect<unknown, unknown>
) => Effect.Effect<unknown, unknown>

/** Handlers that run as their process does: by its clock, and only while it lives. */
const handledBy = <R extends Rpc.Any>({ life, references }: Party, handlers: Handlers<R>, taken: Taken): Handlers<R> =>
  new Proxy(handlers, {
    get(target, key, receiver) {
      const handler: unknown = Reflect.get(target, key, receiver)
      if (typeof handler !== "function") return handler
      return (payload: unknown) => {
        const answer: Effect.Effect<unknown, unknown> = Reflect.apply(handler, target, [payload])
        return Effect.updateContext(
          taken(String(key), payload, whileAlive(life, answer)),
          (context: Context.Context<never>) => Context.merge(context, references)
        )
      }
    }
  })
