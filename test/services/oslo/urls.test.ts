/** Where brokers are, as operators and as oslo.messaging write it. */
import { assert, describe, it } from "@effect/vitest"
import { Redacted } from "effect"
import { BrokerUrlInvalid, parseUrl } from "../../../src/layers/fabric/amqp/Urls.ts"

const parse = (url: string) =>
  parseUrl(Redacted.make(url)).map(({ password, ...rest }) => ({ ...rest, password: Redacted.value(password) }))

const local = { tls: false, host: "h", port: 5672, vhost: "/", user: "guest", password: "guest" }

describe("a broker's URL", () => {
  it.each([
    ["amqp://h", {}],
    ["AMQP://h", {}],
    ["rabbit://h/", {}],
    ["amqp://h:1234", { port: 1234 }],
    ["amqps://h", { tls: true, port: 5671 }],
    ["amqp://ann:pw@h/cloud", { user: "ann", password: "pw", vhost: "cloud" }],
    ["amqp://a%40b:p%2F%3A%2Cw@h/%2Fv%20h", { user: "a@b", password: "p/:,w", vhost: "/v h" }],
    ["amqp://[::1]:5673", { host: "::1", port: 5673 }]
  ])("%s", (url, expected) => {
    assert.deepStrictEqual(parse(url), [{ ...local, ...expected }])
  })

  it("may name several brokers, each with its login and port", () => {
    assert.deepStrictEqual(parse("amqp://ann:one@h:1,bob:two@i/v"), [
      { ...local, port: 1, user: "ann", password: "one", vhost: "v" },
      { ...local, host: "i", user: "bob", password: "two", vhost: "v" }
    ])
  })

  it.each([
    "h:5672",
    "http://ann:hunter2@h",
    "amqp://",
    "amqp://ann:hunter2@h,",
    "amqp://ann:hunter2@h:99999",
    "amqp://ann:hunter2%@h",
    "amqp://ann:hunter2@h/%zz"
  ])("is refused when it is %s, without telling the password", (url) => {
    try {
      parse(url)
    } catch (error) {
      if (!(error instanceof BrokerUrlInvalid)) throw error
      assert.match(error.message, /^A broker's URL cannot be used: /)
      return assert.notInclude(error.message, "hunter2")
    }
    assert.fail("it is refused")
  })
})
