import { describe, expect, it } from "vitest"
import * as NewestOrders from "../../../src/layers/guesthost/NewestOrders.ts"

describe("orders for servers", () => {
  it("are late when a newer one for the same server was heard", () => {
    const newest = NewestOrders.make()
    newest.hear("a", 5)
    expect(newest.isLate("a", 5)).toBe(false)
    newest.hear("a", 7)
    newest.hear("a", 6)
    expect([5, 6, 7, 8].map((order) => newest.isLate("a", order))).toEqual([true, true, false, false])
    expect(newest.isLate("b", 1)).toBe(false)
  })

  it("are remembered for the servers last heard of, and no more than the bound", () => {
    const newest = NewestOrders.make()
    for (let n = 0; n < NewestOrders.maxRemembered; n++) newest.hear(`server-${n}`, 9)
    newest.hear("server-0", 9)
    newest.hear("another", 9)
    expect(newest.isLate("server-0", 1)).toBe(true)
    expect(newest.isLate("server-1", 1)).toBe(false)
  })
})
