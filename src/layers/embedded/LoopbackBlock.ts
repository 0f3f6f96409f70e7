/** Which addresses the databases of an embedded service get: a block of this machine's loopback network. */
import { createHash } from "node:crypto"

/**
 * Which /16 of the loopback network, 127.<block>.0.0, a control plane takes by its data folder. Two of them on one
 * machine have different ones, as far as 128 go.
 */
export const addressBlock = (root: string) => 64 + (createHash("sha256").update(root).digest().readUInt8(0) % 128)

/** That block as a network: "127.70.0.0/16". */
export const loopbackRange = (root: string) => `127.${addressBlock(root)}.0.0/16`
