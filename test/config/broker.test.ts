/** What follows from the broker's settings. */
import { describe, expect, it } from "@effect/vitest"
import { Effect, Option, Redacted } from "effect"
import { guestUrls, managementAccess } from "../../src/layers/config/BrokerAccess.ts"
import { configured } from "./fixture.ts"

const brokerOf = (lines: string) => Effect.map(configured(`[broker]\n${lines}`), ({ broker }) => broker)

describe("how guests reach the broker", () => {
  const urls = 'urls = ["amqp://coffer:s3cret@a:5672/v", "amqps://coffer:s3cret@b"]\n'

  it.effect("is where the control plane does, without its credentials", () =>
    Effect.gen(function* () {
      const broker = yield* brokerOf(urls)
      expect(guestUrls(broker).map(Redacted.value)).toEqual(["amqp://a:5672/v", "amqps://b"])
    })
  )

  it.effect("is where guest_urls says, with the credentials that were chosen to be shared", () =>
    Effect.gen(function* () {
      const own = yield* brokerOf(`${urls}guest_urls = ["amqps://public:5671"]`)
      expect(guestUrls(own).map(Redacted.value)).toEqual(["amqps://public:5671"])
      const shared = yield* brokerOf(`${urls}shared_guest_credentials = true\nguest_urls = ["amqp://all:same@public"]`)
      expect(guestUrls(shared).map(Redacted.value)).toEqual(["amqp://all:same@public"])
    })
  )
})

describe("transient queues", () => {
  it.effect("are there for guests that share their credentials, and declare and bind for themselves", () =>
    Effect.gen(function* () {
      const shared = 'shared_guest_credentials = true\nguest_urls = ["amqp://all:same@public"]'
      expect((yield* brokerOf(`queues = "transient"\n${shared}`)).queues).toBe("transient")
    })
  )
})

describe("the management API", () => {
  const urls = 'urls = ["amqp://cof%40fer:s3%2Fcret@a:5672", "amqp://x:y@b"]\n'

  it.effect("is asked with the credentials of the first broker", () =>
    Effect.gen(function* () {
      const access = Option.getOrThrow(managementAccess(yield* brokerOf(`${urls}management_url = "http://a:15672/"`)))
      expect(access.url.href).toBe("http://a:15672/")
      expect(access.username).toBe("cof@fer")
      expect(Redacted.value(access.password)).toBe("s3/cret")
    })
  )

  it.effect("is asked with credentials of its own, if its URL has them", () =>
    Effect.gen(function* () {
      const broker = yield* brokerOf(`${urls}management_url = "https://admin:p%20w@a"`)
      const access = Option.getOrThrow(managementAccess(broker))
      expect(access.url.href).toBe("https://a/")
      expect([access.username, Redacted.value(access.password)]).toEqual(["admin", "p w"])
    })
  )

  it.effect("is not asked where none is named", () =>
    Effect.gen(function* () {
      expect(managementAccess(yield* brokerOf(urls))).toEqual(Option.none())
    })
  )
})
