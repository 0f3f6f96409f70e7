/** What an operator does with dead letters: looks at them, and sends them again, by command or by hand. */
import { NodeServices } from "@effect/platform-node"
import { assert, describe, layer } from "@effect/vitest"
import { Console, Effect, Layer, Option, Redacted, Ref, Schema } from "effect"
import { Command } from "effect/cli"
import { RpcGroup } from "effect/rpc"
import { deadLetters } from "../../src/cli/deadLetters.ts"
import * as DeadLetterOffice from "../../src/layers/fabric/DeadLetterOffice.ts"
import { deadLetterQueue } from "../../src/layers/fabric/DeadLetters.ts"
import { cast } from "../../src/services/Contract.ts"
import { MessageKey } from "../../src/services/Fabric.ts"
import { fileWith } from "../config/fixture.ts"
import { missingBroker, TestBroker } from "../support/rabbitmq.ts"
import { channelOf, eventually, fabricOf, quiet } from "./rabbitFixture.ts"

const Mended = RpcGroup.make(cast("mend", { n: Schema.Int, password: Schema.String }))

let exchanges = 0
const password = "hunter-77"

/**
 * Messages whose handler fails until it is mended, on an exchange of the test's own: those of 1, 2 and 3 are dead
 * letters.
 */
const workshop = Effect.gen(function* () {
  const { url } = yield* TestBroker
  const exchange = `workshop-${++exchanges}`
  const fabric = yield* fabricOf({ url, server: "mender", names: { exchange, queues: "durable" } })
  const isMended = yield* Ref.make(false)
  const done = yield* Ref.make<ReadonlyArray<number>>([])
  const serve = fabric.serve(exchange, Mended, {
    mend: ({ n }) =>
      Effect.flatMap(Ref.get(isMended), (mended) =>
        mended ? Ref.update(done, (done) => [...done, n]) : Effect.die(new Error("not mended"))
      )
  })
  yield* serve
  const office = yield* DeadLetterOffice.open({ urls: [Redacted.make(url)], tls: {}, exchange })
  const total = Effect.map(office.list(1), ({ total }) => total)
  const client = fabric.client(exchange, Mended)
  for (const n of [1, 2, 3]) yield* client.mend({ n, password })
  yield* eventually(
    "all three are buried",
    Effect.map(total, (total) => total === 3)
  )
  const has = (...wanted: ReadonlyArray<number>) =>
    eventually(
      `${wanted} are mended`,
      Effect.map(Ref.get(done), (done) => wanted.every((n) => done.includes(n)))
    )
  return { exchange, url, client, office, total, has, done: Ref.get(done), mended: Ref.set(isMended, true) }
})

/** Runs the command in this process: what it prints where, and the code that it would end with. */
const run = Effect.fnUntraced(function* (...args: ReadonlyArray<string>) {
  const [out, err]: [Array<string>, Array<string>] = [[], []]
  const capturing: Console.Console = Object.assign(Object.create(console), {
    log: (text: unknown) => out.push(String(text)),
    error: (text: unknown) => err.push(String(text))
  })
  yield* Command.runWith(deadLetters, { version: "test" })(args).pipe(
    Effect.provideService(Console.Console, capturing),
    Effect.ignore
  )
  const code = process.exitCode ?? 0
  process.exitCode = undefined
  return { out: out.join("\n"), err: err.join("\n"), code }
})

const configOf = ({ exchange, url }: { readonly exchange: string; readonly url: string }) =>
  fileWith(`[broker]\nurls = ["${url}"]\ncontrol_exchange = "${exchange}"\n`)

const skipped = missingBroker === null ? "" : ` (skipped: ${missingBroker})`

describe.skipIf(missingBroker !== null)(`dead letters${skipped}`, { timeout: 120_000 }, () => {
  const broker = Layer.mergeAll(TestBroker.layer({ management: false }), quiet, NodeServices.layer)
  layer(broker, { excludeTestServices: true, timeout: 120_000 })((it) => {
    it.effect("are listed, the oldest first, without what is in them, and stay as they are", () =>
      Effect.gen(function* () {
        const { exchange, office } = yield* workshop
        const { letters, total } = yield* office.list(2)
        assert.strictEqual(total, 3)
        assert.lengthOf(letters, 2)
        for (const letter of letters) {
          assert.deepInclude(letter, { topic: exchange, method: "mend", server: "mender" })
          assert.match(letter.reason, /its handler failed/)
          assert.isAbove(letter.size, 100)
          assert.notInclude(JSON.stringify(letter), password)
        }
        assert.deepStrictEqual(yield* office.list(2), { letters, total })
        assert.deepStrictEqual((yield* office.list(3)).letters.slice(0, 2), letters)
      })
    )

    it.effect("are shown with their text, by the id that the list gives", () =>
      Effect.gen(function* () {
        const { office } = yield* workshop
        const [, second] = (yield* office.list(3)).letters
        const { body, ...rest } = Option.getOrThrow(yield* office.show(second?.id ?? ""))
        assert.deepStrictEqual(rest, second)
        assert.include(body, password)
        assert.include(body, '\\"n\\":2')
        assert.isTrue(Option.isNone(yield* office.show("nosuch")))
      })
    )

    it.effect("are sent again one by one or all, in their order, and are gone when they were taken", () =>
      Effect.gen(function* () {
        const { done, has, mended, office, total } = yield* workshop
        const [first = "", second = "", third = ""] = (yield* office.list(3)).letters.map(({ id }) => id)
        yield* mended
        assert.deepStrictEqual(yield* office.replay([second, "nosuch"]), [
          { id: second, outcome: "sent" },
          { id: "nosuch", outcome: "unknown" }
        ])
        yield* has(2)
        assert.deepStrictEqual(
          (yield* office.list(3)).letters.map(({ id }) => id),
          [first, third]
        )
        const all = yield* office.replay("all")
        assert.deepStrictEqual(all, [
          { id: first, outcome: "sent" },
          { id: third, outcome: "sent" }
        ])
        yield* has(1, 3)
        assert.deepStrictEqual(yield* done, [2, 1, 3])
        assert.strictEqual(yield* total, 0)
        assert.deepStrictEqual(yield* office.replay("all"), [])
      })
    )

    it.effect("that fail again come back under another id, and are not tried twice in one go", () =>
      Effect.gen(function* () {
        const { office, total } = yield* workshop
        const before = (yield* office.list(3)).letters.map(({ id }) => id)
        assert.lengthOf(yield* office.replay("all"), 3)
        yield* eventually(
          "they are buried again",
          Effect.map(total, (total) => total === 3)
        )
        for (const { id } of (yield* office.list(3)).letters) assert.notInclude(before, id)
      })
    )

    it.effect("that were told again and handled meanwhile are not handled once more", () =>
      Effect.gen(function* () {
        const { client, done, has, mended, office, total } = yield* workshop
        const tell = Effect.provideService(client.mend({ n: 9, password }), MessageKey, "nine")
        yield* tell
        yield* eventually(
          "it is buried",
          Effect.map(total, (total) => total === 4)
        )
        yield* mended
        yield* tell
        yield* has(9)
        assert.lengthOf(yield* office.replay("all"), 4)
        yield* client.mend({ n: 10, password })
        yield* has(10)
        assert.deepStrictEqual(yield* done, [9, 1, 2, 3, 10])
      })
    )

    it.effect("that nobody takes stay where they are", () =>
      Effect.gen(function* () {
        const { exchange, office, url } = yield* workshop
        const channel = yield* channelOf(url)
        let puts = 0
        const put = (headers: Readonly<Record<string, string>>) =>
          channel.sendToQueue(deadLetterQueue(exchange), Buffer.from(`by hand ${++puts}`), { headers })
        put({ "x-coffer-exchange": exchange, "x-coffer-routing-key": "nobody" })
        put({ "x-coffer-exchange": "no-exchange", "x-coffer-routing-key": exchange })
        put({})
        yield* Effect.promise(() => channel.waitForConfirms())
        const { letters, total } = yield* office.list(10)
        assert.strictEqual(total, 6)
        const [nobody, noExchange, nothing] = letters.slice(3)
        assert.deepInclude(nobody, { topic: "nobody", method: null, at: "", reason: "" })
        const outcomes = new Map((yield* office.replay("all")).map(({ id, outcome }) => [id, outcome]))
        assert.strictEqual(outcomes.get(nobody?.id ?? ""), "untaken")
        assert.strictEqual(outcomes.get(noExchange?.id ?? ""), "untaken")
        assert.strictEqual(outcomes.get(nothing?.id ?? ""), "untaken")
      })
    )

    it.effect("are listed and shown by the command, as tables and as JSON", () =>
      Effect.gen(function* () {
        const shop = yield* workshop
        const path = yield* configOf(shop)
        const listed = yield* run("list", "--config", path, "--limit", "2")
        assert.deepInclude(listed, { err: "", code: 0 })
        const lines = listed.out.split("\n")
        assert.match(lines[0] ?? "", /^id +at +topic +method +size +server +reason$/)
        assert.match(lines[1] ?? "", new RegExp(` ${shop.exchange} +mend +\\d+ +mender +its handler failed`))
        assert.strictEqual(lines.at(-1), "2 of 3; --limit shows more.")
        assert.notInclude(listed.out, password)

        const Listed = Schema.fromJsonString(
          Schema.Struct({ total: Schema.Int, dead_letters: Schema.Array(Schema.Struct({ id: Schema.String })) })
        )
        const json = Schema.decodeUnknownSync(Listed)((yield* run("list", "--config", path, "--json")).out)
        assert.strictEqual(json.total, 3)
        const [first] = json.dead_letters
        assert.include(lines[1], first?.id)
        const shown = yield* run("show", "--config", path, first?.id ?? "")
        assert.match(shown.out, /^method: +mend$/m)
        assert.include(shown.out, password)
        const unknown = yield* run("show", "--config", path, "nosuch")
        assert.deepEqual(unknown, { out: "", err: "coffer: there is no dead letter nosuch", code: 1 })
      })
    )

    it.effect("are sent again by the command, which ends with 1 if any stays", () =>
      Effect.gen(function* () {
        const shop = yield* workshop
        const path = yield* configOf(shop)
        yield* shop.mended
        const [first] = (yield* shop.office.list(1)).letters
        const one = yield* run("replay", "--config", path, first?.id ?? "")
        assert.deepEqual(one, { out: `${first?.id}  sent`, err: "", code: 0 })
        const again = yield* run("replay", "--config", path, first?.id ?? "")
        assert.deepInclude(again, { code: 1, err: "coffer: not all of them could be sent" })
        assert.include(again.out, "there is no dead letter of this id")
        const all = yield* run("replay", "--config", path, "--all", "--json")
        assert.strictEqual(all.code, 0)
        yield* shop.has(1, 2, 3)
        assert.deepEqual(yield* run("replay", "--config", path, "--all"), {
          out: "There are no dead letters.",
          err: "",
          code: 0
        })
        assert.strictEqual((yield* run("list", "--config", path)).out, "There are no dead letters.")
      })
    )

    it.effect("are asked for in vain where no broker is configured or answers, and of an order that is none", () =>
      Effect.gen(function* () {
        const path = yield* configOf({ exchange: "trove", url: `amqp://coffer:${password}@127.0.0.1:1` })
        const away = yield* run("list", "--config", path)
        assert.deepInclude(away, { out: "", code: 1 })
        assert.match(away.err, /^coffer: the broker does not answer: 127\.0\.0\.1:1: connect ECONNREFUSED/)
        assert.notInclude(away.err, password)
        const none = yield* run("list", "--config", yield* fileWith(""))
        assert.deepEqual(none, { out: "", err: "coffer: broker.urls is not set", code: 1 })
        for (const order of [[], ["--all", "some-id"]]) {
          const { code, err } = yield* run("replay", "--config", path, ...order)
          assert.deepEqual(
            { code, err },
            { code: 1, err: "coffer: name the dead letters to be sent again, or say --all" }
          )
        }
      })
    )

    it.effect("have a command that says what it shows", () =>
      Effect.gen(function* () {
        assert.match((yield* run("show", "--help")).out, /secrets its sender did not encrypt/)
        assert.match((yield* run("list", "--help")).out, /never what is in them/)
        for (const command of ["list", "show", "replay"]) assert.include((yield* run("--help")).out, command)
      })
    )
  })
})
