/** For the tests of a guest's login: the port over a test's broker, and what a client may try there. */
import { strict as assert } from "node:assert"
import { type ChannelModel, type ConfirmChannel, connect } from "amqplib"
import { Effect, Layer, Redacted, type Scope } from "effect"
import { FetchHttpClient } from "effect/http"
import * as RabbitGuestAccess from "../../src/layers/broker/RabbitGuestAccess.ts"
import { type AgentKind, GuestAccess, type GuestLink } from "../../src/services/GuestAccess.ts"
import { guestTopic } from "../../src/services/GuestApi.ts"
import { InstanceId } from "../../src/services/Ids.ts"
import { TestBroker } from "../support/rabbitmq.ts"

/** A URL with the login of another one, or with a login. */
const withLogin = (url: string, user: string, password: string) => {
  const changed = new URL(url)
  changed.username = user
  changed.password = password
  return changed.href
}

type Changes = Partial<RabbitGuestAccess.Options> & { readonly login?: readonly [string, string] }

/** How the port finds the test's broker; what is told here goes before what is right. */
const optionsWith = ({ login, ...changed }: Changes) =>
  Effect.map(TestBroker, ({ managementUrl, url }): RabbitGuestAccess.Options => {
    const { host, password, username } = new URL(url)
    const [user, secret] = login ?? [username, password]
    return {
      guestUrls: [Redacted.make(`amqp://${host}`)],
      managementUrl: Redacted.make(withLogin(managementUrl ?? "http://127.0.0.1:1/api", user, secret)),
      vhost: "/",
      names: { exchange: "trove", queues: "durable" },
      ...changed
    }
  })

export const optionsAt = optionsWith({})

/** The port over the test's broker. */
export const guestAccess = (changed: Changes = {}) =>
  Layer.unwrap(Effect.map(optionsWith(changed), RabbitGuestAccess.layer)).pipe(Layer.provide(FetchHttpClient.layer))

export const urlOf = ({ urls }: GuestLink): string => Redacted.value(urls[0] ?? Redacted.make(""))

/** A connection that ends with the scope, and does not end the process when the broker ends it. */
export const connected = (url: string): Effect.Effect<ChannelModel, Error, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.tryPromise({
      try: async () => {
        const connection = await connect(url)
        connection.on("error", () => {})
        return connection
      },
      catch: (error) => (error instanceof Error ? error : new Error(String(error)))
    }),
    (connection) => Effect.promise(() => connection.close().catch(() => {}))
  )

export type Attempt = (channel: ConfirmChannel) => unknown

/** What the broker says of it: null where it did as it was asked, and has confirmed what was published. */
export const attempt = (connection: ChannelModel, act: Attempt): Effect.Effect<string | null> =>
  Effect.promise(async () => {
    const channel = await connection.createConfirmChannel()
    let refusal: string | null = null
    channel.on("error", (error: Error) => {
      refusal = error.message
    })
    try {
      await act(channel)
      await channel.waitForConfirms()
      await channel.close()
    } catch (error) {
      refusal ??= String(error)
    }
    return refusal
  })

/** All that waits in a queue, in the order that it came; it is taken away. */
export const drained = (connection: ChannelModel, queue: string): Effect.Effect<ReadonlyArray<string>> =>
  Effect.promise(async () => {
    const channel = await connection.createChannel()
    const found: Array<string> = []
    for (;;) {
      const message = await channel.get(queue, { noAck: true })
      if (message === false) break
      found.push(message.content.toString())
    }
    await channel.close()
    return found
  })

/** Asks the management API as its administrator; answers the status. */
export const administer = (method: "PUT" | "DELETE", path: string, body: object = {}) =>
  Effect.flatMap(TestBroker, ({ managementUrl, url }) =>
    Effect.promise(async () => {
      const { password, username } = new URL(url)
      const headers = { authorization: `Basic ${btoa(`${username}:${password}`)}`, "content-type": "application/json" }
      const response = await fetch(`${managementUrl}${path}`, { method, headers, body: JSON.stringify(body) })
      return response.status
    })
  )

/** A virtual host of its own on the test's broker, with its URL as the administrator has it. */
export const aVhost = Effect.fnUntraced(function* (vhost: string) {
  const { url } = yield* TestBroker
  yield* administer("PUT", `/vhosts/${vhost}`)
  const everything = { configure: ".*", write: ".*", read: ".*" }
  yield* administer("PUT", `/permissions/${vhost}/${new URL(url).username}`, everything)
  return `${url}/${vhost}`
})

let drawn = 0
export const anId = () => InstanceId.make(`00000000-0000-4000-8000-${String(++drawn).padStart(12, "0")}`)

export const granted = Effect.fnUntraced(function* (agent: AgentKind, id = anId()) {
  const link = yield* (yield* GuestAccess).grant(id, agent)
  assert(link !== null)
  return { id, link, topic: guestTopic(id) }
})

/** A guest that is connected. */
export const aGuest = Effect.fnUntraced(function* (agent: AgentKind) {
  const guest = yield* granted(agent)
  return { ...guest, connection: yield* connected(urlOf(guest.link)) }
})
