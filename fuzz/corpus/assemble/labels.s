; a comment
main:                        # one
    r6 = r1 ; r1 = 1         // two
    call twice
    r2 = callback ll
    if r0 == 0 goto out
    goto main <main+0x8>
out: exit
twice:
    goto 2f
1:  r0 = 1ll
    exit
2:  goto 1b
0000000000000068 <callback>:
    call bpf_ktime_get_ns
    exit
    .globl callback
