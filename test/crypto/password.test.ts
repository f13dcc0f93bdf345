import { describe, expect, it } from 'vitest'
import { fromHex, toHex, utf8 } from '../../src/bytes.ts'
import { native as browser } from '../../src/crypto/native.browser.ts'
import { native as node } from '../../src/crypto/native.node.ts'
import { stretchPassphrase } from '../../src/crypto/password.ts'
import frozen from '../vectors/sealing.json' with { type: 'json' }

const salt = new Uint8Array(16).fill(3)

describe('stretchPassphrase', () => {
  it.each(frozen.argon2id)(
    'frozen vector $memoryKiB KiB, $passes passes',
    async ({ passphrase, salt, key, ...cost }) => {
      expect(toHex(await stretchPassphrase(passphrase, fromHex(salt), cost))).toBe(key)
    },
  )

  it.each([
    [8, 1],
    [64, 3],
    [1024, 2],
  ])('gives the same bytes on every platform with %i KiB and %i passes', async (memoryKiB, passes) => {
    for (const text of ['', 'correct horse', 'Über 水']) {
      const cost = { memoryKiB, passes }
      expect(await browser.argon2id(utf8(text), salt, cost)).toEqual(
        await node.argon2id(utf8(text), salt, cost),
      )
    }
  })

  it('gives one key however the keyboard composed the letters, and another for every salt, cost and text', async () => {
    const cost = { memoryKiB: 64, passes: 1 }
    const key = async (text: string, bytes = salt, other = cost) =>
      toHex(await stretchPassphrase(text, bytes, other))
    expect(await key('M\u00fcller')).toBe(await key('Mu\u0308ller'))
    const keys = [
      await key('Müller'),
      await key('müller'),
      await key('Müller '),
      await key('Müller', new Uint8Array(16)),
      await key('Müller', salt, { memoryKiB: 128, passes: 1 }),
      await key('Müller', salt, { memoryKiB: 64, passes: 2 }),
    ]
    expect(new Set(keys).size).toBe(keys.length)
  })

  it('refuses a salt of another length and costs that are none', async () => {
    await expect(stretchPassphrase('x', new Uint8Array(8), { memoryKiB: 64, passes: 1 })).rejects.toThrow(
      'salt',
    )
    await expect(stretchPassphrase('x', salt, { memoryKiB: 7, passes: 1 })).rejects.toThrow('cost')
    await expect(stretchPassphrase('x', salt, { memoryKiB: 64, passes: 0 })).rejects.toThrow('cost')
  })
})
