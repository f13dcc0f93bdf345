import { uint, z } from '../schema.ts'
import * as shape from './_shapes.ts'
import { signedFormat } from './_signed.ts'

const order = z.strictObject({
  v: z.literal(1),
  network: shape.network,
  objectId: shape.objectId,
  epoch: shape.fromOne,
  timeMs: shape.timeMs,
})

const receipt = z.strictObject({
  v: z.literal(1),
  network: shape.network,
  guardianId: shape.guardianId,
  objectId: shape.objectId,
  epoch: shape.fromOne,
  orderHash: shape.bytes32,
  hadShare: z.boolean(),
  timeMs: shape.timeMs,
})

const destruction = z.strictObject({
  v: z.literal(1),
  network: shape.network,
  guardianId: shape.guardianId,
  objectId: shape.objectId,
  epoch: shape.fromOne,
  cause: z.enum(['destroyed', 'removed']),
  height: uint(),
  timeMs: shape.timeMs,
})

/** An owner has the shares of an object destroyed, of this epoch and all before. Spec: docs/spec/custody.md 8. */
export type DestroyOrder = z.infer<typeof order>
/** Signed by the owner key of the object. */
export const destroyOrderFormat = signedFormat<DestroyOrder>('destroy order', 'xcare/destroy/v1', 512, order)
/** A guardian's word that it holds no such share any more. */
export type DestroyReceipt = z.infer<typeof receipt>
/** Signed by the guardian. */
export const destroyReceiptFormat = signedFormat<DestroyReceipt>(
  'destroy receipt',
  'xcare/destroy-receipt/v1',
  512,
  receipt,
)
/** A guardian's word that it destroyed its shares because the chain, at `height`, said so; it keeps that. */
export type Destruction = z.infer<typeof destruction>
/** Signed by the guardian. */
export const destructionFormat = signedFormat<Destruction>(
  'destruction',
  'xcare/destruction/v1',
  512,
  destruction,
)
