/** Several tenants at work all the while, each by dice of its own: they order, restart and delete, and enter it all in the ledger. */
import type { Dice } from "../simulation/Dice.ts"
import * as Dices from "../simulation/Dice.ts"
import { Client } from "./Client.ts"
import { projects } from "./configuration.ts"
import type { Fleet } from "./Fleet.ts"
import type { Label } from "./Gate.ts"
import { type Entry, look } from "./Ledger.ts"

const most = 3
/** Between two things that a tenant does, in milliseconds. */
const pause = [400, 2000] as const
const removeTries = 30
const tryPause = 1000

const sleep = (milliseconds: number) => new Promise<void>((resolve) => setTimeout(resolve, milliseconds))

export class Tenants {
  readonly entries: Array<Entry> = []
  readonly #clients: ReadonlyArray<readonly [Client, Dice]>
  #isAtWork = false
  #work: Promise<unknown> = Promise.resolve()
  #named = 0
  /** What was asked for, for the table. */
  readonly asked = { create: 0, restart: 0, delete: 0 }

  constructor(fleet: Fleet, seed: number) {
    this.#clients = projects.map((project) => [
      new Client(fleet.apis, project, fleet.tokens.get(project) ?? ""),
      Dices.make(seed, project)
    ])
  }

  /** From now on until `rest`. */
  begin() {
    this.#isAtWork = true
    this.#work = Promise.all(this.#clients.map(([client, dice]) => this.#live(client, dice)))
  }

  /** Nobody asks for anything any more. */
  async rest() {
    this.#isAtWork = false
    await this.#work
  }

  get living() {
    return this.entries.filter(({ fault, isDeleted }) => !isDeleted && fault === null)
  }

  async #live(client: Client, dice: Dice) {
    while (this.#isAtWork) {
      const mine = this.living.filter((entry) => entry.client === client)
      const settled = mine.filter(({ row }) => row !== null)
      if (mine.length < most && dice.chance(0.5)) await this.create(client)
      else if (settled.length > 1 && dice.chance(0.35)) await this.remove(dice.pick(settled))
      else if (settled.length > 0 && dice.chance(0.5)) await this.restart(dice.pick(settled))
      // Whoever looks enters what was written; so those that are new come to be used.
      else for (const entry of mine) if (entry.row === null && this.#isAtWork) await look(entry)
      if (this.#isAtWork) await sleep(dice.between(...pause))
    }
  }

  async create(client: Client) {
    this.#named += 1
    const name = `shop-${this.#named}`
    const entry: Entry = {
      name,
      client,
      id: null,
      restarts: 0,
      perhaps: 0,
      row: null,
      address: "",
      isDeleted: false,
      fault: null
    }
    const { id, outcome } = await client.create(name)
    if (outcome === "refused") return
    this.asked.create += 1
    entry.id = id
    this.entries.push(entry)
  }

  async restart(entry: Entry) {
    if (entry.id === null) return
    const outcome = await entry.client.restart(entry.id)
    if (outcome === "refused") return
    this.asked.restart += 1
    if (outcome === "accepted") entry.restarts += 1
    else entry.perhaps += 1
  }

  /** Asked for until it was accepted, as a tenant does who wants to be rid of it. */
  async remove(entry: Entry) {
    for (let n = 0; n < removeTries; n++) {
      if (entry.id === null && (await look(entry)).is === "gone") {
        entry.isDeleted = true
        return
      }
      if (entry.id !== null && (await entry.client.remove(entry.id)) !== "unknown") {
        this.asked.delete += 1
        entry.isDeleted = true
        return
      }
      await sleep(tryPause)
    }
  }

  /** Something that comes by that label soon. */
  async provoke({ by }: Label, dice: Dice) {
    const settled = this.living.filter(({ row }) => row !== null)
    if (by === "build" || settled.length === 0) {
      const [client] = dice.pick(this.#clients)
      await this.create(client)
    } else if (by === "restart") await this.restart(dice.pick(settled))
    else await this.remove(dice.pick(settled))
  }
}
