/**
 * The network that clients of OpenStack know the instances by. There is one for all of them, and its id is a name and no
 * more: an order that chooses it (`nics`) asks for what happens anyway. Pure, but for who says what it is.
 */
import { Context, Schema } from "effect"

const hex = (digits: number) => `([0-9a-fA-F]){${digits}}`

/** As Trove has it. */
const uuid = new RegExp(`^${[8, 4, 4, 4, 12].map(hex).join("-")}$`)

export const NetworkId = Schema.String.check(Schema.isPattern(uuid, { message: `does not match '${uuid.source}'` }))

export interface Network {
  readonly id: string
  readonly subnet: string
}

/** The same in each installation, unless its operator says otherwise. */
export const defaultNetwork: Network = {
  id: "c0ffee00-0000-4000-8000-000000000001",
  subnet: "c0ffee00-0000-4000-8000-000000000002"
}

export const TenantNetwork = Context.Reference<Network>("coffer/services/TenantNetwork", {
  defaultValue: () => defaultNetwork
})

/** One item of `nics`; both names of the network mean the same. */
export interface Nic {
  readonly network_id?: string
  readonly "net-id"?: string
  readonly subnet_id?: string
  readonly ip_address?: string
}

const isSame = (one: string, other: string) => one.toLowerCase() === other.toLowerCase()

/** Why an instance cannot be on the network that is chosen; null where it will be. */
export const refuseNic = ({ id, subnet }: Network, nic: Nic): string | null => {
  const place = "Validation error: instance['nics'][0]"
  if (nic.network_id === undefined && nic["net-id"] === undefined && nic.subnet_id === undefined)
    return `${place} must name a network (network_id, net-id) or a subnet (subnet_id)`
  for (const key of ["network_id", "net-id"] as const) {
    const chosen = nic[key]
    if (chosen !== undefined && !isSame(chosen, id))
      return `${place}['${key}'] must be the network that all instances are on: ${id}`
  }
  if (nic.subnet_id !== undefined && !isSame(nic.subnet_id, subnet))
    return `${place}['subnet_id'] must be the subnet that all instances are on: ${subnet}`
  if (nic.ip_address !== undefined)
    return `${place}['ip_address'] cannot be chosen: an instance has an address of the machine that it lives on`
  return null
}
