/** Networks as instances see them: which addresses there are, and in which order. */
import { assert, describe, it } from "@effect/vitest"
import { Option } from "effect"
import { addressAt, parseRange, rangeProblem } from "../../src/services/AddressRange.ts"

const rangeOf = (cidr: string) => Option.getOrThrow(parseRange(cidr))
const first = (cidr: string, count: number) => Array.from({ length: count }, (_, n) => addressAt(rangeOf(cidr), n))

describe("the addresses of a network", () => {
  it("leave out what looks like a network or a broadcast address, and go round", () => {
    assert.deepEqual(first("10.1.2.4/30", 4), ["10.1.2.5", "10.1.2.6", "10.1.2.5", "10.1.2.6"])
    const block = rangeOf("127.70.0.0/16")
    assert.strictEqual(block.count, 254 * 256)
    assert.deepEqual(
      [0, 253, 254, block.count - 1, block.count].map((n) => addressAt(block, n)),
      ["127.70.0.1", "127.70.0.254", "127.70.1.1", "127.70.255.254", "127.70.0.1"]
    )
  })

  for (let prefix = 8; prefix <= 30; prefix++) {
    it(`are all different and all inside, in a /${prefix}`, () => {
      const size = 2 ** (32 - prefix)
      const base = 200 * 2 ** 24
      const range = rangeOf(`200.0.0.0/${prefix}`)
      const step = Math.max(1, Math.floor(range.count / 5000))
      const seen = new Set<number>()
      for (let n = 0; n < range.count; n += step) {
        const octets = addressAt(range, n).split(".").map(Number)
        const address = octets.reduce((sum, octet) => sum * 256 + octet, 0)
        const last = octets[3] ?? 0
        if (address <= base || address >= base + size - 1 || last === 0 || last === 255) assert.fail(octets.join("."))
        seen.add(address)
      }
      assert.strictEqual(seen.size, Math.ceil(range.count / step))
    })
  }

  it("are none where it is no network, or one that is too wide, too narrow or not for instances", () => {
    for (const [cidr, problem] of [
      ["10.0.0.0", "must be an IPv4 network"],
      ["10.0.0/24", "must be an IPv4 network"],
      ["10.0.0.256/24", "must be an IPv4 network"],
      ["fd00::/64", "must be an IPv4 network"],
      ["10.0.0.0/24/24", "must be an IPv4 network"],
      ["", "must be an IPv4 network"],
      ["0.0.0.0/0", "from /8 to /30"],
      ["10.0.0.0/7", "from /8 to /30"],
      ["10.0.0.0/31", "from /8 to /30"],
      ["10.0.0.1/24", "no address in it"],
      ["127.0.0.0/8", "must not hold 127.0.0.1"],
      ["127.0.0.0/30", "must not hold 127.0.0.1"]
    ] as const) {
      assert.include(rangeProblem(cidr) ?? "", problem, cidr)
      assert.isTrue(Option.isNone(parseRange(cidr)), cidr)
    }
    assert.isNull(rangeProblem("127.0.0.4/30"))
  })
})
