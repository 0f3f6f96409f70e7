import * as MemoryStore from "../../src/layers/memory/MemoryStore.ts"
import { auditStoreConformance } from "../conformance/auditStore.ts"
import { stores } from "../support/postgres.ts"

auditStoreConformance("what an audit reads of the store in memory", MemoryStore.layer)
auditStoreConformance("what an audit reads of the store in PostgreSQL", stores)
