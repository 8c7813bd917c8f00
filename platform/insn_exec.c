// SPDX-License-Identifier: GPL-2.0
/*
 * What a decoded instruction makes of its operands: their address, and the
 * values that registers and memory get.  Pure.
 */
#include "platform/insn.h"

u64 insn_address_mask(unsigned int bits)
{
	return ~0ull >> (64 - bits);
}

u64 insn_offset(const struct insn_address *mem, const u64 *regs, u64 rip)
{
	u64 offset = mem->disp;

	if (mem->rip)
		offset += rip;
	if (mem->base != INSN_NO_REG)
		offset += regs[mem->base];
	if (mem->index != INSN_NO_REG)
		offset += regs[mem->index] << mem->scale;
	return offset & insn_address_mask(mem->bits);
}

u64 insn_advance(u64 old, u64 by, unsigned int bits)
{
	u64 mask = insn_address_mask(bits), sum = (old + by) & mask;

	/* 32-bit results clear the upper half, 16-bit ones leave the rest alone. */
	return bits == 16 ? (old & ~mask) | sum : sum;
}

static u64 size_mask(u8 size)
{
	return ~0ull >> (64 - size * 8);
}

u64 insn_load_result(const struct insn *insn, u64 old, u64 data)
{
	u64 mask = size_mask(insn->reg_size);
	u64 value = data & size_mask(insn->mem_size);

	if (insn->sign_extend && (value >> (insn->mem_size * 8 - 1) & 1))
		value |= ~size_mask(insn->mem_size);
	if (insn->high_byte)
		return (old & ~0xff00ull) | (value & 0xff) << 8;
	/* Writing 32 bits clears the upper half, writing fewer keeps the rest. */
	if (insn->reg_size == 4)
		return value & mask;
	return (old & ~mask) | (value & mask);
}

u64 insn_operand(const struct insn *insn, u64 reg)
{
	u64 value = insn->has_imm ? insn->imm : insn->high_byte ? reg >> 8 : reg;

	return value & size_mask(insn->mem_size);
}

bool insn_writes_reg(const struct insn *insn)
{
	if (insn->kind == INSN_ALU)
		return insn->reg_first && alu_writes(insn->alu);
	return insn->load && insn->kind != INSN_MOVS;
}

void insn_compute(const struct insn *insn, u64 loaded, u64 reg, struct insn_result *result)
{
	u64 operand = insn_operand(insn, reg), computed = loaded;

	if (insn->kind == INSN_ALU)
		computed = alu_exec(insn->alu, insn->mem_size, insn->reg_first ? operand : loaded,
				    insn->reg_first ? loaded : operand, &result->rflags);
	result->reg = insn_writes_reg(insn) ? insn_load_result(insn, reg, computed) : reg;
	/* MOV, STOS and XCHG write the operand as it is. */
	result->mem = insn->kind == INSN_ALU || insn->kind == INSN_MOVS ? computed : operand;
}
