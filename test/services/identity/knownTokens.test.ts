/** What is remembered of tokens, and for how long. */
import { expect, it } from "@effect/vitest"
import { Clock, Deferred, Duration, Effect, Exit, Fiber, Option, Redacted } from "effect"
import { TestClock } from "effect/testing"
import { type Holder, KeystoneUnusable, TokenUnknown } from "../../../src/layers/identity/Keystone.ts"
import * as KnownTokens from "../../../src/layers/identity/KnownTokens.ts"

const hour = 3_600_000

const ann = (expires = hour): Holder => ({ user: "ann", project: Option.some("p1"), roles: ["member"], expires })

type Answer = (token: string) => Effect.Effect<Holder, KeystoneUnusable | TokenUnknown>

/** The tokens that `answer` knows, remembered for a minute; with all that it was asked. */
const remembering = Effect.fnUntraced(function* (answer: Answer) {
  const asked: Array<string> = []
  const known = yield* KnownTokens.make({
    lifetime: Duration.minutes(1),
    ask: (token) =>
      Effect.suspend(() => {
        asked.push(Redacted.value(token))
        return answer(Redacted.value(token))
      })
  })
  return { asked, holderOf: (token: string) => known.holderOf(Redacted.make(token)) }
})

it.effect("a token is asked about once a minute", () =>
  Effect.gen(function* () {
    const { asked, holderOf } = yield* remembering(() => Effect.succeed(ann()))
    for (let n = 0; n < 5; n++) expect(yield* holderOf("t")).toEqual(ann())
    yield* TestClock.adjust("59 seconds")
    yield* holderOf("t")
    expect(asked).toEqual(["t"])
    yield* TestClock.adjust("1 seconds")
    yield* holderOf("t")
    expect(asked).toEqual(["t", "t"])
  })
)

it.effect("one that was revoked is refused within that minute", () =>
  Effect.gen(function* () {
    let revoked = false
    const { holderOf } = yield* remembering(() => (revoked ? new TokenUnknown() : Effect.succeed(ann())))
    yield* holderOf("t")
    revoked = true
    yield* TestClock.adjust("60 seconds")
    expect(yield* Effect.flip(holderOf("t"))).toEqual(new TokenUnknown())
  })
)

it.effect("the minute begins when it was asked about, however long the answer took", () =>
  Effect.gen(function* () {
    const { asked, holderOf } = yield* remembering(() => Effect.delay(Effect.succeed(ann()), "20 seconds"))
    const first = yield* Effect.forkChild(holderOf("t"))
    yield* TestClock.adjust("20 seconds")
    yield* Fiber.join(first)
    yield* TestClock.adjust("39 seconds")
    yield* holderOf("t")
    expect(asked).toHaveLength(1)
    yield* TestClock.adjust("1 seconds")
    yield* Effect.forkChild(holderOf("t"))
    yield* Effect.yieldNow
    expect(asked).toHaveLength(2)
  })
)

it.effect("none is remembered past its own end", () =>
  Effect.gen(function* () {
    const now = yield* Clock.currentTimeMillis
    const { asked, holderOf } = yield* remembering(() => Effect.succeed(ann(now + 10_000)))
    yield* holderOf("t")
    yield* TestClock.adjust("9999 millis")
    yield* holderOf("t")
    expect(asked).toHaveLength(1)
    yield* TestClock.adjust("1 millis")
    yield* holderOf("t")
    expect(asked).toHaveLength(2)
    // By our clock it is at its end now, and Keystone still says that it is good: so it is, once.
    yield* holderOf("t")
    expect(asked).toHaveLength(3)
  })
)

it.effect("one that is not known is refused for a moment without asking, and then asked about again", () =>
  Effect.gen(function* () {
    let isThere = false
    const { asked, holderOf } = yield* remembering(() => (isThere ? Effect.succeed(ann()) : new TokenUnknown()))
    for (let n = 0; n < 3; n++) expect(yield* Effect.flip(holderOf("t"))).toEqual(new TokenUnknown())
    expect(asked).toHaveLength(1)
    isThere = true
    yield* TestClock.adjust(KnownTokens.refusedFor)
    expect(yield* holderOf("t")).toEqual(ann())
  })
)

it.effect("an outage is not remembered", () =>
  Effect.gen(function* () {
    let away = true
    const outage = new KeystoneUnusable({ message: "away" })
    const { holderOf } = yield* remembering(() => (away ? Effect.fail(outage) : Effect.succeed(ann())))
    expect(yield* Effect.flip(holderOf("t"))).toEqual(outage)
    away = false
    expect(yield* holderOf("t")).toEqual(ann())
    away = true
    expect(yield* holderOf("t")).toEqual(ann())
  })
)

it.effect("who asks for the same at once shares one answer, also when the first of them goes", () =>
  Effect.gen(function* () {
    const answer = yield* Deferred.make<Holder>()
    const { asked, holderOf } = yield* remembering(() => Deferred.await(answer))
    const [first, ...others] = yield* Effect.forEach([1, 2, 3], () => Effect.forkChild(holderOf("t")))
    yield* Effect.yieldNow
    if (first !== undefined) yield* Fiber.interrupt(first)
    yield* Deferred.succeed(answer, ann())
    for (const other of others) expect(yield* Fiber.join(other)).toEqual(ann())
    expect(asked).toEqual(["t"])
  })
)

it.effect("nobody who makes tokens up has good ones forgotten", () =>
  Effect.gen(function* () {
    const { asked, holderOf } = yield* remembering((token) =>
      token === "good" ? Effect.succeed(ann()) : new TokenUnknown()
    )
    yield* holderOf("good")
    for (let n = 0; n < KnownTokens.maxKnown + 10; n++) yield* Effect.exit(holderOf(`bad-${n}`))
    expect(Exit.isSuccess(yield* Effect.exit(holderOf("good")))).toBe(true)
    expect(asked.filter((token) => token === "good")).toHaveLength(1)
  })
)
