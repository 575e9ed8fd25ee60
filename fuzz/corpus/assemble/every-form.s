w0 += 0x0
w0 += w0
r0 += 0x0
r0 += r0
w0 -= 0x0
w0 -= w0
r0 -= 0x0
r0 -= r0
w0 *= 0x0
w0 *= w0
r0 *= 0x0
r0 *= r0
w0 s/= 0x0
w0 /= 0x0
w0 s/= w0
w0 /= w0
r0 s/= 0x0
r0 /= 0x0
r0 s/= r0
r0 /= r0
w0 |= 0x0
w0 |= w0
r0 |= 0x0
r0 |= r0
w0 &= 0x0
w0 &= w0
r0 &= 0x0
r0 &= r0
w0 <<= 0x0
w0 <<= w0
r0 <<= 0x0
r0 <<= r0
w0 >>= 0x0
w0 >>= w0
r0 >>= 0x0
r0 >>= r0
w0 s%= 0x0
w0 %= 0x0
w0 s%= w0
w0 %= w0
r0 s%= 0x0
r0 %= 0x0
r0 s%= r0
r0 %= r0
w0 ^= 0x0
w0 ^= w0
r0 ^= 0x0
r0 ^= r0
w0 = 0x0
w0 = (s8)w0
w0 = (s16)w0
w0 = w0
r0 = 0x0
r0 = (s8)r0
r0 = (s16)r0
r0 = (s32)r0
r0 = addr_space_cast(r0, 0x0, 0x0)
r0 = r0
w0 s>>= 0x0
w0 s>>= w0
r0 s>>= 0x0
r0 s>>= r0
w0 = -w0
r0 = -r0
r0 = le16 r0
r0 = le32 r0
r0 = le64 r0
r0 = be16 r0
r0 = be32 r0
r0 = be64 r0
r0 = bswap16 r0
r0 = bswap32 r0
r0 = bswap64 r0
if r0 == 0x0 goto +0x0
if r0 == r0 goto +0x0
if w0 == 0x0 goto +0x0
if w0 == w0 goto +0x0
if r0 > 0x0 goto +0x0
if r0 > r0 goto +0x0
if w0 > 0x0 goto +0x0
if w0 > w0 goto +0x0
if r0 >= 0x0 goto +0x0
if r0 >= r0 goto +0x0
if w0 >= 0x0 goto +0x0
if w0 >= w0 goto +0x0
if r0 & 0x0 goto +0x0
if r0 & r0 goto +0x0
if w0 & 0x0 goto +0x0
if w0 & w0 goto +0x0
if r0 != 0x0 goto +0x0
if r0 != r0 goto +0x0
if w0 != 0x0 goto +0x0
if w0 != w0 goto +0x0
if r0 s> 0x0 goto +0x0
if r0 s> r0 goto +0x0
if w0 s> 0x0 goto +0x0
if w0 s> w0 goto +0x0
if r0 s>= 0x0 goto +0x0
if r0 s>= r0 goto +0x0
if w0 s>= 0x0 goto +0x0
if w0 s>= w0 goto +0x0
if r0 < 0x0 goto +0x0
if r0 < r0 goto +0x0
if w0 < 0x0 goto +0x0
if w0 < w0 goto +0x0
if r0 <= 0x0 goto +0x0
if r0 <= r0 goto +0x0
if w0 <= 0x0 goto +0x0
if w0 <= w0 goto +0x0
if r0 s< 0x0 goto +0x0
if r0 s< r0 goto +0x0
if w0 s< 0x0 goto +0x0
if w0 s< w0 goto +0x0
if r0 s<= 0x0 goto +0x0
if r0 s<= r0 goto +0x0
if w0 s<= 0x0 goto +0x0
if w0 s<= w0 goto +0x0
goto +0x0
gotol +0x0
may_goto +0x0
call 0x0
call +0x0
call kfunc 0x0
callx r0
exit
r0 = *(u8 *)(r0 + 0x0)
r0 = *(u16 *)(r0 + 0x0)
r0 = *(u32 *)(r0 + 0x0)
r0 = *(u64 *)(r0 + 0x0)
r0 = *(s8 *)(r0 + 0x0)
r0 = *(s16 *)(r0 + 0x0)
r0 = *(s32 *)(r0 + 0x0)
*(u8 *)(r0 + 0x0) = 0x0
*(u16 *)(r0 + 0x0) = 0x0
*(u32 *)(r0 + 0x0) = 0x0
*(u64 *)(r0 + 0x0) = 0x0
*(u8 *)(r0 + 0x0) = r0
*(u16 *)(r0 + 0x0) = r0
*(u32 *)(r0 + 0x0) = r0
*(u64 *)(r0 + 0x0) = r0
lock *(u32 *)(r0 + 0x0) += r0
lock *(u32 *)(r0 + 0x0) |= w0
lock *(u32 *)(r0 + 0x0) &= w0
lock *(u32 *)(r0 + 0x0) ^= w0
w0 = atomic_fetch_add((u32 *)(r0 + 0x0), w0)
w0 = atomic_fetch_or((u32 *)(r0 + 0x0), w0)
w0 = atomic_fetch_and((u32 *)(r0 + 0x0), w0)
w0 = atomic_fetch_xor((u32 *)(r0 + 0x0), w0)
w0 = xchg32_32(r0 + 0x0, w0)
w0 = cmpxchg32_32(r0 + 0x0, w0, w0)
w0 = load_acquire((u32 *)(r0 + 0x0))
store_release((u32 *)(r0 + 0x0), w0)
lock *(u64 *)(r0 + 0x0) += r0
lock *(u64 *)(r0 + 0x0) |= r0
lock *(u64 *)(r0 + 0x0) &= r0
lock *(u64 *)(r0 + 0x0) ^= r0
r0 = atomic_fetch_add((u64 *)(r0 + 0x0), r0)
r0 = atomic_fetch_or((u64 *)(r0 + 0x0), r0)
r0 = atomic_fetch_and((u64 *)(r0 + 0x0), r0)
r0 = atomic_fetch_xor((u64 *)(r0 + 0x0), r0)
r0 = xchg_64(r0 + 0x0, r0)
r0 = cmpxchg_64(r0 + 0x0, r0, r0)
r0 = load_acquire((u64 *)(r0 + 0x0))
store_release((u64 *)(r0 + 0x0), r0)
w0 = load_acquire((u8 *)(r0 + 0x0))
store_release((u8 *)(r0 + 0x0), w0)
w0 = load_acquire((u16 *)(r0 + 0x0))
store_release((u16 *)(r0 + 0x0), w0)
r0 = 0x0 ll
ld_pseudo r0, 0x1, 0x0
ld_pseudo r0, 0x2, 0x0
ld_pseudo r0, 0x3, 0x0
ld_pseudo r0, 0x4, 0x0
ld_pseudo r0, 0x5, 0x0
ld_pseudo r0, 0x6, 0x0
r0 = *(u8 *)skb[0x0]
r0 = *(u16 *)skb[0x0]
r0 = *(u32 *)skb[0x0]
r0 = *(u8 *)skb[r0]
r0 = *(u16 *)skb[r0]
r0 = *(u32 *)skb[r0]
