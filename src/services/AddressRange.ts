/**
 * The addresses that the instances of one guest host can have: an IPv4 network, counted. Pure.
 */
import { isIPv4 } from "node:net"
import { Option } from "effect"

export interface AddressRange {
  /** The network's own address, as a number. */
  readonly network: number
  readonly prefix: number
  /** How many addresses it has for instances. */
  readonly count: number
}

const widest = 8
const narrowest = 30

/** The first and last of each block of 256 are left out: they look like network and broadcast addresses. */
const hostsInBlock = 254

/** The control plane's own, wherever there is one: no instance can have it. */
const controlPlane = "127.0.0.1"

const toNumber = (address: string) => address.split(".").reduce((sum, octet) => sum * 256 + Number(octet), 0)

const toText = (address: number) => [24, 16, 8, 0].map((shift) => Math.floor(address / 2 ** shift) % 256).join(".")

const split = (cidr: string) => {
  const [, address = "", length = ""] = /^([\d.]+)\/(\d{1,2})$/.exec(cidr) ?? []
  return isIPv4(address) ? { network: toNumber(address), prefix: Number(length) } : undefined
}

/** Why instances cannot have their addresses from there, in words that follow its name; null where they can. */
export const rangeProblem = (cidr: string): string | null => {
  const parts = split(cidr)
  if (parts === undefined) return "must be an IPv4 network such as 10.9.0.0/16"
  const { network, prefix } = parts
  if (prefix < widest || prefix > narrowest) return `must have a prefix from /${widest} to /${narrowest}`
  const size = 2 ** (32 - prefix)
  if (network % size !== 0) return "must be a network, and no address in it"
  const special = toNumber(controlPlane)
  if (network <= special && special < network + size) return `must not hold ${controlPlane}`
  return null
}

/** None where there is a problem with it. */
export const parseRange = (cidr: string): Option.Option<AddressRange> => {
  const parts = split(cidr)
  if (parts === undefined || rangeProblem(cidr) !== null) return Option.none()
  const { network, prefix } = parts
  return Option.some({
    network,
    prefix,
    count: prefix <= 24 ? hostsInBlock * 2 ** (24 - prefix) : 2 ** (32 - prefix) - 2
  })
}

/** The `n`th address, from 0; it goes round after the last. */
export const addressAt = ({ count, network, prefix }: AddressRange, n: number): string => {
  const index = n % count
  const inside = prefix > 24 ? index : Math.floor(index / hostsInBlock) * 256 + (index % hostsInBlock)
  return toText(network + inside + 1)
}
