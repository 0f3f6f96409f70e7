/**
 * Stands between everybody and the store, and sees what is really committed: the story is told from here, and what no
 * two may do is noticed at once.
 */
import { Context, Effect, Layer } from "effect"
import type { State } from "../../src/actors/Instance.ts"
import { Lifecycles } from "../../src/actors/Lifecycles.ts"
import { operationsOf } from "../../src/actors/Work.ts"
import type * as MemoryStore from "../../src/layers/memory/MemoryStore.ts"
import { History } from "../../src/services/History.ts"
import type { InstanceId } from "../../src/services/Ids.ts"
import { type Desired, Instances } from "../../src/services/Instances.ts"
import { resized } from "../../src/services/Resizes.ts"
import type { Story } from "./Story.ts"

/** What is known of one instance, apart from the store. */
export interface Known {
  desired: Desired
  /** Its tenant has let it go: it holds no quota any more. */
  letGo: boolean
  state: State
  generation: number
  readonly handled: Set<number>
  readonly operations: Set<string>
}

/** The end of an id, by which a story tells instances apart. */
export const shortOf = (id: string) => id.slice(0, 4)

export class Witness {
  readonly instances = new Map<string, Known>()
  /** Who may enter the fabric. */
  readonly admitted = new Set<string>()
  readonly violations: Array<string> = []
  /** What is looked at when an instance is said to be ready. Machines are made later. */
  onActive: (id: InstanceId) => void = () => {}
  readonly #story: Story

  constructor(story: Story) {
    this.#story = story
  }

  wrong(what: string) {
    if (this.violations.includes(what)) return
    this.violations.push(what)
    this.#story.tell("wrong", what)
  }

  /** Whether no operation of it is under way, nor one that was called off and goes on. */
  isAtRest(id: string) {
    const known = this.instances.get(id)
    return known === undefined || operationsOf(known.state).length === 0
  }

  #committed(id: InstanceId, commit: Parameters<Lifecycles["Service"]["commit"]>[1]) {
    const known = this.instances.get(id)
    const short = shortOf(id)
    if (known === undefined) return this.wrong(`${short}: a commit of an instance that nobody ordered`)
    if (commit.generation !== known.generation)
      this.wrong(`${short}: generation ${commit.generation} was committed after ${known.generation}`)
    known.generation = commit.generation + 1
    for (const seq of commit.handled) {
      if (known.handled.has(seq)) this.wrong(`${short}: command ${seq} was handled twice`)
      known.handled.add(seq)
    }
    const fault = commit.state._tag === "Failed" ? (commit.state.fault.details ?? "") : ""
    const reasons = [fault, ...(commit.setAside ?? []).map(({ reason }) => reason)]
    if (reasons.some((reason) => reason.includes("cannot be read")))
      this.wrong(`${short}: what the newer release has written was taken for a fault`)
    if (commit.transition !== null) {
      const { because, from, to } = commit.transition
      if (from !== known.state._tag) this.wrong(`${short}: went from ${from} to ${to}, and was ${known.state._tag}`)
      if ("operation" in commit.state && to !== from) {
        if (known.operations.has(commit.state.operation)) this.wrong(`${short}: ${commit.state.operation} began twice`)
        known.operations.add(commit.state.operation)
      }
      this.#story.tell("life", `${short} ${from} → ${to}: ${because}`)
    }
    const isBuilt = commit.state._tag === "Active" || commit.state._tag === "Configuring"
    if (known.state._tag === "Building" && isBuilt) this.onActive(id)
    if (commit.resized !== undefined) known.desired = resized(known.desired, commit.resized)
    known.state = commit.state
  }

  /** The store as it is seen from here. */
  readonly #around = Effect.gen({ self: this }, function* () {
    const lifecycles = yield* Lifecycles
    const instances = yield* Instances
    const history = yield* History
    const tell = (kind: "step" | "guest", id: string, text: string) => this.#story.tell(kind, `${shortOf(id)} ${text}`)
    return Context.make(
      Lifecycles,
      Lifecycles.of({
        ...lifecycles,
        commit: (id, commit) =>
          Effect.tap(lifecycles.commit(id, commit), () => Effect.sync(() => this.#committed(id, commit)))
      })
    ).pipe(
      Context.add(
        Instances,
        Instances.of({
          ...instances,
          create: (desired, provisioning) =>
            Effect.tap(instances.create(desired, provisioning), () =>
              Effect.sync(() =>
                this.instances.set(desired.id, {
                  desired,
                  letGo: false,
                  state: { _tag: "New" },
                  generation: 0,
                  handled: new Set(),
                  operations: new Set()
                })
              )
            ),
          requestDelete: (id) =>
            Effect.tap(instances.requestDelete(id), () =>
              Effect.sync(() => {
                const known = this.instances.get(id)
                if (known !== undefined) known.letGo = true
              })
            )
        })
      ),
      Context.add(
        History,
        History.of({
          ...history,
          report: (id, text) => Effect.tap(history.report(id, text), () => Effect.sync(() => tell("guest", id, text))),
          stepStarted: (id, step) =>
            Effect.tap(history.stepStarted(id, step), () =>
              Effect.sync(() => tell("step", id, `${step.operationName}: ${step.step} begins (${step.attempt})`))
            ),
          waitStarted: (id, step) =>
            Effect.tap(history.waitStarted(id, step), () =>
              Effect.sync(() => tell("step", id, `${step.operationName}: ${step.step} begins (${step.attempt})`))
            ),
          stepEnded: (id, step) =>
            Effect.tap(history.stepEnded(id, step), () =>
              Effect.sync(() => tell("step", id, `${step.step} (${step.attempt}) ${step.outcome}`))
            )
        })
      )
    )
  })

  /** Puts itself around a store. */
  around(store: typeof MemoryStore.layer) {
    return Layer.effectContext(this.#around).pipe(Layer.provideMerge(store))
  }
}
