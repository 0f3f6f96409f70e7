/** That a message is handled once, however often it comes, and again when it was not handled after all. */
import { assert, it } from "@effect/vitest"
import { type Fate, Repeats } from "../../../src/layers/fabric/Repeats.ts"

/** Every copy of a message, and what it was told. */
const copies = (repeats: Repeats, id: string) => {
  const told: Array<Fate | "new" | "done"> = []
  const come = () => {
    const seen = repeats.see(id)
    if (seen._tag === "InHand") seen.whenOver((fate) => told.push(fate))
    else told.push(seen._tag === "New" ? "new" : "done")
  }
  return { come, told }
}

it("the copies of a message that is in hand end as it does, and later ones are known", () => {
  const repeats = new Repeats()
  const { come, told } = copies(repeats, "a")
  come()
  come()
  come()
  assert.deepStrictEqual(told, ["new"])
  repeats.over("a", "handled")
  assert.deepStrictEqual(told, ["new", "handled", "handled"])
  come()
  assert.deepStrictEqual(told, ["new", "handled", "handled", "done"])
})

it("a message that was buried is buried with its copies, and new when it is sent again", () => {
  const repeats = new Repeats()
  const { come, told } = copies(repeats, "a")
  come()
  come()
  repeats.over("a", "buried")
  come()
  assert.deepStrictEqual(told, ["new", "buried", "new"])
})

it("a message that was not handled after all is new when it comes again, and so are its copies", () => {
  const repeats = new Repeats()
  const { come, told } = copies(repeats, "a")
  come()
  come()
  repeats.over("a", "unfinished")
  come()
  assert.deepStrictEqual(told, ["new", "unfinished", "new"])
})

it("copies on a channel that is gone are told nothing, for they come again", () => {
  const repeats = new Repeats()
  const { come, told } = copies(repeats, "a")
  come()
  come()
  repeats.forgetWaiting()
  come()
  repeats.over("a", "handled")
  assert.deepStrictEqual(told, ["new", "handled"])
})

it("the oldest are forgotten first, and what was never begun cannot end", () => {
  const repeats = new Repeats()
  repeats.over("never", "handled")
  assert.strictEqual(repeats.see("never")._tag, "New")
  for (let n = 0; n <= 4096; n++) {
    repeats.see(`${n}`)
    repeats.over(`${n}`, "handled")
  }
  assert.strictEqual(repeats.see("0")._tag, "New")
  assert.strictEqual(repeats.see("1")._tag, "Done")
  assert.strictEqual(repeats.see("4096")._tag, "Done")
})
