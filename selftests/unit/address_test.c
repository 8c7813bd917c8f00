// SPDX-License-Identifier: GPL-2.0
/*
 * The address of a memory operand against the CPU that this runs on, which
 * computes it by LEA: all of ModRM, SIB and REX, both widths of 64-bit mode.
 * 16-bit addresses, which it cannot compute, against the SDM's table.
 */
#include <sys/mman.h>

#include "platform/insn.h"
#include "tap.h"

#define LEA 0x8d
#define MOV 0x8b

static u8 *page, *here;
static u64 stack_pointer, answer;
static u64 regs[16];

static void emit(const void *bytes, unsigned int n)
{
	memcpy(here, bytes, n);
	here += n;
}

/* MOV reg, imm64, or MOV between RAX and an absolute address. */
static void emit_mov(u8 rex, u8 opcode, u64 imm)
{
	emit(&(u8[]){ rex, opcode }, 2);
	emit(&imm, 8);
}

/* All registers, RSP too, get the values of regs; LEA; RAX is the answer. */
static u64 lea_on_cpu(const u8 *lea, unsigned int n, u64 *next)
{
	static const u8 save[] = {
		0x53, 0x55, 0x41, 0x54, 0x41, 0x55, 0x41, 0x56, 0x41, 0x57, 0x48, 0x89, 0xe0
	}; /* push …; mov %rsp, %rax */
	static const u8 restore[] = { 0x48, 0x89, 0xc4, 0x41, 0x5f, 0x41, 0x5e,
				      0x41, 0x5d, 0x41, 0x5c, 0x5d, 0x5b, 0xc3 };

	here = page;
	emit(save, sizeof(save));
	emit_mov(0x48, 0xa3, (uintptr_t)&stack_pointer);
	for (unsigned int reg = 0; reg < 16; reg++)
		emit_mov(reg & 8 ? 0x49 : 0x48, 0xb8 | (reg & 7), regs[reg]);
	emit(lea, n);
	*next = (uintptr_t)here;
	emit_mov(0x48, 0xa3, (uintptr_t)&answer);
	emit_mov(0x48, 0xa1, (uintptr_t)&stack_pointer);
	emit(restore, sizeof(restore));
	__asm__ volatile("call *%0"
			 :
			 : "r"(page)
			 : "rax", "rcx", "rdx", "rsi", "rdi", "r8", "r9", "r10", "r11", "memory");
	return answer;
}

/* [67] REX opcode ModRM SIB displacement; the operand's own length follows from it. */
static void compare(bool addrsize, u8 rex, u8 modrm, u8 sib)
{
	static const u32 disp = 0x89abcdef;
	u8 bytes[16] = {};
	unsigned int n = 0, opcode_at;
	struct insn insn;
	u64 next, real, ours;

	if (addrsize)
		bytes[n++] = 0x67;
	bytes[n++] = rex;
	opcode_at = n;
	bytes[n++] = MOV;
	bytes[n++] = modrm;
	if ((modrm & 7) == 4)
		bytes[n++] = sib;
	memcpy(bytes + n, &disp, sizeof(disp));
	CHECK_EQ(insn_decode(bytes, INSN_MAX, 64, &insn), 0);
	bytes[opcode_at] = LEA;
	real = lea_on_cpu(bytes, insn.len, &next);
	ours = insn_offset(&insn.mem, regs, next);
	CHECK_MSG(real == ours, "%s rex %#x modrm %#x sib %#x: %#llx, not %#llx",
		  addrsize ? "67" : "", rex, modrm, sib, ours, real);
}

TEST(like_lea)
{
	page = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1,
		    0);
	REQUIRE(page != MAP_FAILED);
	for (unsigned int i = 0; i < 16; i++)
		regs[i] = 0x9e3779b97f4a7c15 * (i + 1);
	for (unsigned int rex = 0x48; rex < 0x50; rex++) {
		if (rex & 4)
			continue; /* REX.R is LEA's result */
		for (unsigned int modrm = 0; modrm < 0xc0; modrm++) {
			if (modrm & 0x38)
				continue;
			for (unsigned int sib = 0; sib < ((modrm & 7) == 4 ? 256 : 1); sib++) {
				compare(false, rex, modrm, sib);
				compare(true, rex, modrm, sib);
			}
		}
	}
	munmap(page, 4096);
}

/* What the operand's address is in code of 16 or 32 bits. */
static u64 offset_of(unsigned int bits, const u8 *bytes, struct insn *insn)
{
	CHECK_EQ(insn_decode(bytes, INSN_MAX, bits, insn), 0);
	return insn_offset(&insn->mem, regs, 0x1234567);
}

TEST(addresses_of_16_bits)
{
	const u64 bx = regs[3] = 0x11f234, bp = regs[5] = 0x222345, si = regs[6] = 0x333456;
	const u64 di = regs[7] = 0x44e567;
	const u64 sum[] = { bx + si, bx + di, bp + si, bp + di, si, di, bp, bx };
	static const u8 segment[] = { INSN_DS, INSN_DS, INSN_SS, INSN_SS,
				      INSN_DS, INSN_DS, INSN_SS, INSN_DS };
	u8 bytes[INSN_MAX] = { MOV, 0, 0xfe, 0xc1 };
	struct insn insn;

	for (unsigned int rm = 0; rm < 8; rm++) {
		bytes[1] = rm;
		CHECK_EQ(offset_of(16, bytes, &insn), rm == 6 ? 0xc1fe : sum[rm] & 0xffff);
		CHECK_EQ(insn.mem.seg, rm == 6 ? INSN_DS : segment[rm]);
		CHECK_EQ(insn.len, rm == 6 ? 4 : 2);
		bytes[1] = rm | 0x40;
		CHECK_EQ(offset_of(16, bytes, &insn), (sum[rm] - 2) & 0xffff);
		CHECK_EQ(insn.mem.seg, segment[rm]);
		bytes[1] = rm | 0x80;
		CHECK_EQ(offset_of(16, bytes, &insn), (sum[rm] + 0xc1fe) & 0xffff);
		CHECK_EQ(insn.len, 4);
	}
}

TEST(no_rip_in_32_bits)
{
	const u8 bytes[INSN_MAX] = { MOV, 0x05, 0x78, 0x56, 0x34, 0x82 };
	struct insn insn;

	CHECK_EQ(offset_of(32, bytes, &insn), 0x82345678);
	CHECK_EQ(insn.len, 6);
}

TEST(segments)
{
	static const struct {
		unsigned int bits;
		u8 bytes[INSN_MAX];
		enum insn_segment seg;
	} row[] = {
		{ 32, { MOV, 0x03 }, INSN_DS },		 /* (%ebx) */
		{ 32, { MOV, 0x45, 0 }, INSN_SS },	 /* 0(%ebp) */
		{ 32, { MOV, 0x04, 0x24 }, INSN_SS },	 /* (%esp) */
		{ 32, { MOV, 0x04, 0x2b }, INSN_DS },	 /* (%ebx,%ebp) */
		{ 32, { MOV, 0x44, 0x1d, 0 }, INSN_SS }, /* 0(%ebp,%ebx) */
		{ 32, { MOV, 0x04, 0x1d }, INSN_DS },	 /* disp(,%ebx) */
		{ 32, { 0x26, MOV, 0x45, 0 }, INSN_ES },
		{ 32, { 0x2e, MOV, 0x45, 0 }, INSN_CS },
		{ 32, { 0x36, MOV, 0x03 }, INSN_SS },
		{ 32, { 0x3e, MOV, 0x45, 0 }, INSN_DS },
		{ 64, { 0x3e, MOV, 0x45, 0 }, INSN_SS }, /* void there, as SS is */
		{ 64, { 0x64, 0x3e, MOV, 0x03 }, INSN_FS },
		{ 64, { 0x65, MOV, 0x03 }, INSN_GS },
		{ 32, { 0x64, 0xa1 }, INSN_FS },
		{ 32, { 0xa4 }, INSN_DS },
		{ 32, { 0x2e, 0xa4 }, INSN_CS },
	};

	for (size_t i = 0; i < ARRAY_SIZE(row); i++) {
		struct insn insn;

		CHECK_EQ(insn_decode(row[i].bytes, INSN_MAX, row[i].bits, &insn), 0);
		CHECK_MSG(insn.mem.seg == row[i].seg, "row %zu: %u", i, insn.mem.seg);
	}
}

TEST(registers_that_move_on)
{
	CHECK_EQ(insn_advance(0x1ffff, 1, 16), 0x10000);
	CHECK_EQ(insn_advance(0x10000, -2, 16), 0x1fffe);
	CHECK_EQ(insn_advance(0x1ffffffff, 4, 32), 3);
	CHECK_EQ(insn_advance(0x100000000, -1, 32), 0xffffffff);
	CHECK_EQ(insn_advance(0, -8, 64), -8ull);
}
