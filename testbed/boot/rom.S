/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Option ROM that starts a Linux kernel which Bochs itself has put into memory.
 *
 * The firmware calls it after its ACPI and MP tables are made.  It collects the
 * E820 map, enters long mode with the first GiB mapped one to one and jumps to
 * startup_64 (Documentation/arch/x86/boot.rst, "64-bit boot protocol").
 *
 * Bochs reads the file of optramimage1 in one piece into the pool that guest
 * memory comes from, but maps the first 128 KB of it only.  The pool is given out
 * block by block in the order in which the guest first touches its addresses: so
 * the next blocks of the file appear wherever the guest touches next.  What the
 * firmware touched before is unknown; the file therefore goes on with padding up
 * to a marker.  Touch scratch blocks until the marker shows, then touch the
 * destinations in the order of the file (lib/bootimage.py writes it).
 */
#define ROM	0xd0000
#define PARAMS	0x800000		/* boot_params, command line, load table */
#define TABLE	(PARAMS + 0x2000)	/* entry; address, blocks; ...; address, 0 */
#define SCRATCH	0x1000000		/* the marker must show below this */
#define BLOCK	0x20000
#define PML4	0x1000			/* page tables, and the map behind them */
#define PDPT	0x2000
#define PD	0x3000
#define E820	0x4000

#define BP_E820_COUNT	0x1e8		/* struct boot_params */
#define BP_E820_TABLE	0x2d0

#define GDT_CODE	0x10
#define GDT_DATA	0x18

	.code16
	.globl	_start
_start:
	.byte	0x55, 0xaa, 1		/* signature; one sector of 512 bytes */
	cli
	cld
	xor	%ax, %ax
	mov	%ax, %es
	mov	$PML4, %di
	mov	$(E820 - PML4) / 2, %cx
	rep stosw
	movw	$PDPT | 3, %es:PML4
	movw	$PD | 3, %es:PDPT
	mov	$PD, %di
	mov	$0x83, %eax		/* present, writable, 2 MiB */
map_page:
	stosl
	add	$4, %di
	add	$0x200000, %eax
	cmp	$E820, %di
	jne	map_page

	xor	%ebx, %ebx		/* %di is E820 here */
next_range:
	mov	$0xe820, %eax
	mov	$20, %ecx
	mov	$0x534d4150, %edx	/* "SMAP" */
	int	$0x15
	jc	have_ranges
	add	$20, %di
	test	%ebx, %ebx
	jnz	next_range
have_ranges:
	movzwl	%di, %ebp

	in	$0x92, %al		/* A20 */
	or	$2, %al
	out	%al, $0x92
	lgdtl	%cs:gdtr - _start
	mov	$0x20, %eax		/* CR4.PAE */
	mov	%eax, %cr4
	mov	$PML4, %eax
	mov	%eax, %cr3
	mov	$0xc0000080, %ecx	/* EFER.LME */
	rdmsr
	or	$0x100, %ax
	wrmsr
	mov	$0x80000011, %eax	/* CR0.PG, ET, PE */
	mov	%eax, %cr0
	ljmpl	$GDT_CODE, $ROM + long_mode - _start

	.code64
long_mode:
	mov	$GDT_DATA, %eax
	mov	%eax, %ds
	mov	%eax, %es
	mov	%eax, %ss
	mov	marker(%rip), %rax
	mov	$PARAMS, %ebx
find_marker:
	add	$BLOCK, %ebx
	cmp	$SCRATCH, %ebx
	jae	fail
	cmp	%rax, (%rbx)
	jne	find_marker

	mov	$TABLE + 4, %esi
next_region:
	mov	(%rsi), %ebx
	mov	4(%rsi), %ecx
	add	$8, %esi
	jrcxz	loaded
touch:
	mov	(%rbx), %edx
	add	$BLOCK, %ebx
	loop	touch
	jmp	next_region
loaded:
	cmp	%rax, (%rbx)		/* the closing marker proves the order */
	jne	fail

	mov	$E820, %esi
	mov	$PARAMS + BP_E820_TABLE, %edi
	mov	%ebp, %ecx
	sub	%esi, %ecx
	mov	%ecx, %eax
	xor	%edx, %edx
	mov	$20, %ebx
	div	%ebx
	mov	%al, PARAMS + BP_E820_COUNT
	rep movsb
	mov	$PARAMS, %esi
	mov	TABLE, %eax
	jmp	*%rax

fail:
	lea	text(%rip), %rsi
	mov	$text_end - text, %ecx
	mov	$0xe9, %edx
	rep outsb
	mov	$8, %ecx
	mov	$0x8900, %edx		/* Bochs stops at "Shutdown" */
	rep outsb
	hlt

text:	.ascii	"boot ROM: the RAM image is not where it was expected\n"
text_end:
	.ascii	"Shutdown"
	.balign	8
marker:	.ascii	"VELLUMRM"
gdt:	.quad	0, 0, 0x00af9b000000ffff, 0x00cf93000000ffff
gdtr:	.word	. - gdt - 1
	.long	ROM + gdt - _start
	.org	_start + 511		/* the last byte makes the sum zero: lib/machine */
	.byte	0
