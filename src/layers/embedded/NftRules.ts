/**
 * What is told to nftables, as text. One table holds all guards: a map from address and port to a chain for each
 * instance, asked where packets come in and where they are sent from here, before any address in them is rewritten. Each
 * text is one transaction of the kernel: all of it, or nothing.
 *
 * A guard refuses as a closed port does, so that a client learns of it at once. It looks at each packet, whatever came
 * before it: who is kept out now is cut off.
 */
import { type Guard, trialPort } from "../../guest/HostFirewall.ts"

const map = "guarded"
const chainOf = ({ instanceId }: Pick<Guard, "instanceId">) => `i_${instanceId.replaceAll(/[^0-9A-Za-z]/g, "_")}`
/** Also the port at which another version is tried, which has the same data. */
const elementsOf = (guard: Guard, verdict = "") =>
  `{ ${[guard.port, trialPort(guard.port)].map((port) => `${guard.address} . ${port}${verdict}`).join(", ")} }`

const hook = (table: string, name: string, hook: string) => [
  `add chain ip ${table} ${name} { type filter hook ${hook} priority raw; policy accept; }`,
  `flush chain ip ${table} ${name}`,
  `add rule ip ${table} ${name} fib daddr type local ip daddr . tcp dport vmap @${map}`
]

const frame = (table: string) => [
  `add table ip ${table}`,
  `add map ip ${table} ${map} { type ipv4_addr . inet_service : verdict; }`,
  ...hook(table, "incoming", "prerouting"),
  // What a program of this machine sends to a container's address never comes in: it is rewritten on its way out.
  ...hook(table, "outgoing", "output")
]

/** The agent comes from the server's own address; another user of this machine that says it does, does not. */
const onlyOurs = ({ address }: Guard) =>
  `ip saddr ${address} meta skuid != ${process.getuid?.() ?? 0} meta l4proto tcp reject with tcp reset`

const adding = (table: string, guard: Guard) => {
  const chain = `ip ${table} ${chainOf(guard)}`
  return [
    `add chain ${chain}`,
    `flush chain ${chain}`,
    `add rule ${chain} ${onlyOurs(guard)}`,
    `add rule ${chain} ip saddr { ${[guard.address, ...guard.networks].join(", ")} } return`,
    `add rule ${chain} meta l4proto tcp reject with tcp reset`,
    `add element ip ${table} ${map} ${elementsOf(guard, ` : jump ${chainOf(guard)}`)}`
  ]
}

const text = (lines: ReadonlyArray<string>) => `${lines.join("\n")}\n`

/** What has been there is gone; also where nothing has. */
export const dropTable = (table: string) => text([`add table ip ${table}`, `delete table ip ${table}`])

/** These guards, and no others. */
export const wholeTable = (table: string, guards: ReadonlyArray<Guard>) =>
  `${dropTable(table)}${text([...frame(table), ...guards.flatMap((guard) => adding(table, guard))])}`

/** One more guard, or another one in the place of the one of this instance, which has the same address. */
export const addGuard = (table: string, guard: Guard) => text([...frame(table), ...adding(table, guard)])

/** Without this guard. */
export const removeGuard = (table: string, guard: Guard) => {
  const chain = `ip ${table} ${chainOf(guard)}`
  return text([
    // Nothing can be taken away that is not there.
    ...frame(table),
    ...adding(table, guard),
    `delete element ip ${table} ${map} ${elementsOf(guard)}`,
    `flush chain ${chain}`,
    `delete chain ${chain}`
  ])
}
