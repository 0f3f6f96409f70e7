/** The REST API as the end-to-end tests ask it, and how they wait for what it says. */
import { Schema } from "effect"
import { expect } from "vitest"

const pollInterval = 10
/** Long enough for a database of a busy machine; nothing that passes waits for it. */
const patience = 60_000

/** Waits until `look` finds something, and gives it. */
export const eventually = async <A>(
  what: string,
  look: () => Promise<A | null> | A | null,
  within = patience
): Promise<A> => {
  for (const deadline = Date.now() + within; ; ) {
    const found = await look()
    if (found !== null) return found
    if (Date.now() > deadline) throw new Error(`${what}: not within ${within} ms`)
    await new Promise((resolve) => setTimeout(resolve, pollInterval))
  }
}

export const Instance = Schema.Struct({
  id: Schema.String,
  name: Schema.String,
  status: Schema.String,
  operating_status: Schema.String,
  ip: Schema.optionalKey(Schema.Array(Schema.String)),
  fault: Schema.optionalKey(Schema.Struct({ message: Schema.String }))
})
export type Instance = typeof Instance.Type

const Shown = Schema.decodeUnknownSync(Schema.Struct({ instance: Instance }))
const Listed = Schema.decodeUnknownSync(Schema.Struct({ instances: Schema.Array(Instance) }))

const Entry = Schema.Struct({
  kind: Schema.String,
  step: Schema.optionalKey(Schema.String),
  outcome: Schema.optionalKey(Schema.String),
  text: Schema.optionalKey(Schema.String),
  to: Schema.optionalKey(Schema.String)
})
const History = Schema.decodeUnknownSync(Schema.Struct({ history: Schema.Struct({ entries: Schema.Array(Entry) }) }))

export interface Answer {
  readonly status: number
  readonly body: unknown
}

/** One project of a service. */
export abstract class Api {
  abstract readonly url: string
  /** Sent with every request. */
  readonly headers: Readonly<Record<string, string>> = {}

  async request(method: string, path: string, body?: unknown): Promise<Answer> {
    const response = await fetch(`${this.url}/v1.0/demo${path}`, {
      method,
      headers: { "content-type": "application/json", ...this.headers },
      ...(body === undefined ? {} : { body: JSON.stringify(body) })
    })
    const text = await response.text()
    return { status: response.status, body: text === "" ? null : JSON.parse(text) }
  }

  /** Orders a database, and gives its id. */
  async create(order: { readonly name: string; readonly [key: string]: unknown }) {
    const { body, status } = await this.request("POST", "/instances", {
      instance: { flavorRef: "1", volume: { size: 1 }, datastore: { type: "postgresql" }, ...order }
    })
    expect(status, JSON.stringify(body)).toBe(200)
    return Shown(body).instance.id
  }

  /** Null when there is no such instance (any more). */
  async show(id: string): Promise<Instance | null> {
    const { body, status } = await this.request("GET", `/instances/${id}`)
    return status === 404 ? null : Shown(body).instance
  }

  async list(): Promise<ReadonlyArray<Instance>> {
    return Listed((await this.request("GET", "/instances")).body).instances
  }

  /** The history in words: `build step: outcome`, `→ state`, what the guest said. */
  async story(id: string): Promise<ReadonlyArray<string>> {
    const { body } = await this.request("GET", `/instances/${id}/history`)
    return History(body).history.entries.map((entry) =>
      entry.kind === "step"
        ? `${entry.step}: ${entry.outcome}`
        : entry.kind === "transition"
          ? `→ ${entry.to}`
          : (entry.text ?? "")
    )
  }

  /** Waits until the history says it. */
  tells(id: string, words: string | RegExp) {
    return eventually(`the history of ${id} tells ${words}`, async () => {
      const told = await this.story(id)
      return told.some((line) => (typeof words === "string" ? line.includes(words) : words.test(line))) ? told : null
    })
  }

  /** Waits until a client can log in; fails when the instance has failed. */
  async healthy(id: string, within = patience) {
    const instance = await eventually(
      `${id} is ACTIVE and HEALTHY`,
      async () => {
        const instance = await this.show(id)
        if (instance?.status === "ERROR") throw new Error(`the build failed: ${instance.fault?.message}`)
        return instance?.status === "ACTIVE" && instance.operating_status === "HEALTHY" ? instance : null
      },
      within
    )
    return { ...instance, address: instance.ip?.[0] ?? "" }
  }

  async delete(id: string) {
    const { status } = await this.request("DELETE", `/instances/${id}`)
    expect(status).toBe(202)
  }

  /** Deletes it and waits until it is gone. */
  async remove(id: string) {
    await this.delete(id)
    await eventually(`${id} is gone`, async () => ((await this.show(id)) === null ? true : null))
  }
}
