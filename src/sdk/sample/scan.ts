import { crc32, deflateSync } from 'node:zlib'
import { concat, u32be, utf8 } from '../../bytes.ts'
import type { Random } from '../../ports.ts'
import { Dice } from './person.ts'

const SIZE = 640
const SIGNATURE = Uint8Array.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a])
const GREY_8_BIT = [8, 0, 0, 0, 0]

/** @returns a grey PNG of 640 by 640 that looks a little like a chest film, grain included. */
export function sampleScan(random: Random): Uint8Array {
  const dice = new Dice(random)
  const tilt = dice.between(-20, 20)
  const grain = random.bytes(SIZE * SIZE)
  const rows = new Uint8Array(SIZE * (SIZE + 1))
  for (let y = 0; y < SIZE; y++)
    for (let x = 0; x < SIZE; x++)
      rows[y * (SIZE + 1) + 1 + x] = shadeAt(x - SIZE / 2, y - SIZE / 2, tilt) + (grain[y * SIZE + x]! >> 5)
  const header = concat(u32be(SIZE), u32be(SIZE), Uint8Array.from(GREY_8_BIT))
  return concat(
    SIGNATURE,
    part('IHDR', header),
    part('IDAT', deflateSync(rows)),
    part('IEND', new Uint8Array()),
  )
}

/** Two dark lungs, bright ribs across them, a bright spine between. 0 to 220. */
function shadeAt(x: number, y: number, tilt: number): number {
  const lung = Math.min(ellipse(x - 130, y - tilt, 110, 220), ellipse(x + 130, y + tilt, 110, 220))
  const rib = Math.sin((y + Math.abs(x) * 0.35) / 17) > 0.55 ? 38 : 0
  const spine = Math.abs(x) < 34 ? 60 : 0
  const tissue = 150 - Math.hypot(x, y) / 4
  return Math.max(0, Math.min(220, lung < 1 ? 40 + lung * 50 + rib : tissue + spine))
}

function ellipse(x: number, y: number, width: number, height: number): number {
  return (x / width) ** 2 + (y / height) ** 2
}

function part(name: string, content: Uint8Array): Uint8Array {
  const named = concat(utf8(name), content)
  return concat(u32be(content.length), named, u32be(crc32(named)))
}
