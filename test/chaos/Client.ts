/** One tenant's client: asks one API after the other, waits for none for long, and tells what nobody can know. */
import { Schema } from "effect"
import { Instance } from "../e2e/api.ts"

const askWithin = 10_000

const One = Schema.decodeUnknownSync(Schema.fromJsonString(Schema.Struct({ instance: Instance })))
const All = Schema.decodeUnknownSync(Schema.fromJsonString(Schema.Struct({ instances: Schema.Array(Instance) })))

/** Accepted, refused by an answer that says so, or neither is known: the connection ended, or the service failed. */
export type Outcome = "accepted" | "refused" | "unknown"

interface Answer {
  readonly status: number
  readonly text: string
}

const outcomeOf = (answer: Answer | null): Outcome =>
  answer === null || answer.status >= 500 ? "unknown" : answer.status < 300 ? "accepted" : "refused"

export const user = "ann"
export const password = "secret-1"
export const database = "shop"

export class Client {
  readonly #apis: ReadonlyArray<string>
  readonly #project: string
  readonly #token: string
  #turn = 0

  constructor(apis: ReadonlyArray<string>, project: string, token: string) {
    this.#apis = apis
    this.#project = project
    this.#token = token
  }

  async #ask(method: string, path: string, body?: unknown): Promise<Answer | null> {
    this.#turn += 1
    const api = this.#apis[this.#turn % this.#apis.length]
    try {
      const response = await fetch(`${api}/v1.0/${this.#project}${path}`, {
        method,
        headers: { "content-type": "application/json", "X-Auth-Token": this.#token },
        signal: AbortSignal.timeout(askWithin),
        ...(body === undefined ? {} : { body: JSON.stringify(body) })
      })
      return { status: response.status, text: await response.text() }
    } catch {
      return null
    }
  }

  /** What was ordered, once it is known; ask `named` where it is not. */
  async create(name: string): Promise<{ readonly outcome: Outcome; readonly id: string | null }> {
    const answer = await this.#ask("POST", "/instances", {
      instance: {
        name,
        flavorRef: "1",
        volume: { size: 1 },
        datastore: { type: "postgresql" },
        databases: [{ name: database }],
        users: [{ name: user, password, databases: [{ name: database }] }]
      }
    })
    const outcome = outcomeOf(answer)
    return { outcome, id: answer !== null && outcome === "accepted" ? One(answer.text).instance.id : null }
  }

  async restart(id: string) {
    return outcomeOf(await this.#ask("POST", `/instances/${id}/action`, { restart: {} }))
  }

  /** What is gone already is refused, and gone. */
  async remove(id: string) {
    return outcomeOf(await this.#ask("DELETE", `/instances/${id}`))
  }

  /** "gone" where the service says so, null where it does not answer. */
  async show(id: string): Promise<Instance | "gone" | null> {
    const answer = await this.#ask("GET", `/instances/${id}`)
    if (answer?.status === 404) return "gone"
    return answer?.status === 200 ? One(answer.text).instance : null
  }

  /** Null where the service does not answer. */
  async all(): Promise<ReadonlyArray<Instance> | null> {
    const answer = await this.#ask("GET", "/instances?limit=20")
    return answer?.status === 200 ? All(answer.text).instances : null
  }

  /** Undefined where there is none of that name, null where the service does not answer. */
  async named(name: string): Promise<Instance | undefined | null> {
    const all = await this.all()
    return all === null ? null : all.find((instance) => instance.name === name)
  }
}
