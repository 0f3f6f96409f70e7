/** The users of servers on hosts with any network. */
import { assert, describe, it } from "@effect/vitest"
import { Option } from "effect"
import { isInstanceUser, serverIdentity } from "../../src/layers/embedded/ServerIdentity.ts"
import { addressAt, parseRange } from "../../src/services/AddressRange.ts"

/** Users that there can be: all of Linux's, or those of a small container. */
const machines = [2 ** 32 - 2, 65_535]

describe("the user of a server", () => {
  for (const cidr of ["10.0.0.0/8", "192.168.0.0/16", "172.16.0.0/24", "10.0.0.0/30", "203.0.113.128/25"]) {
    it(`is an instance's own at every address of ${cidr}`, () => {
      const range = Option.getOrThrow(parseRange(cidr))
      const step = Math.max(1, Math.floor(range.count / 20_000))
      const [large = 0, small = 0] = machines
      const users = new Set<number>()
      const addresses = Array.from({ length: Math.ceil(range.count / step) }, (_, n) => addressAt(range, n * step))
      for (const address of addresses) {
        for (const highest of machines) {
          const { uid } = serverIdentity(address, highest)
          if (!isInstanceUser(uid, highest) || uid > highest) assert.fail(`${address}: ${uid} of ${highest}`)
          if (uid === serverIdentity("127.0.0.1", highest).uid) assert.fail(`${address} has the control plane's user`)
        }
        users.add(serverIdentity(address, large).uid)
      }
      assert.strictEqual(users.size, addresses.length)
      if (range.count <= 254) {
        assert.strictEqual(new Set(addresses.map((each) => serverIdentity(each, small).uid)).size, addresses.length)
      }
    })
  }
})
