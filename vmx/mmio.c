// SPDX-License-Identifier: GPL-2.0
/*
 * An access to what is not memory: the instruction is fetched, decoded and
 * carried out here, and the local APIC or userspace answers its accesses.
 *
 * What it reads comes first, piece by piece; then its registers are committed;
 * then it writes.  Between two accesses that userspace answers, KVM_RUN
 * returns: struct emulation holds how far it got.
 */
#include "platform/gva.h"
#include "vmx/insn_end.h"

/* 16, 32 or 64. */
static unsigned int code_bits(struct vcpu *vcpu)
{
	if (vmx_in_64bit(vcpu))
		return 64;
	return vmread(GUEST_CS_AR_BYTES) & SEG_AR_DB ? 32 : 16;
}

static gva_t code_address(unsigned int bits)
{
	u64 rip = vmread(GUEST_RIP);

	return bits == 64 ? rip : (u32)(vmread(GUEST_CS_BASE) + rip);
}

/* Reads on to the end of the page or of the longest instruction. */
static int fetch_page(struct vcpu *vcpu, gva_t gva, struct code *code)
{
	unsigned int len = min_t(u64, INSN_MAX - code->n, PAGE_SIZE - offset_in_page(gva));
	gpa_t gpa;
	int ret = guest_translate(vcpu, gva, GVA_FETCH, &gpa);

	if (ret)
		return ret;
	if (guest_read(vcpu, gpa, code->bytes + code->n, len))
		return -EOPNOTSUPP;
	code->n += len;
	return 0;
}

/* 0, -EAGAIN with an event queued, -EOPNOTSUPP. */
static int fetch_and_decode(struct vcpu *vcpu, struct code *code, struct insn *insn)
{
	unsigned int bits = code_bits(vcpu);
	gva_t gva = code_address(bits);
	int ret;

	code->n = 0;
	ret = fetch_page(vcpu, gva, code);
	if (ret)
		return ret;
	ret = insn_decode(code->bytes, code->n, bits, insn);
	if (ret == -EAGAIN) {
		ret = fetch_page(vcpu, gva + code->n, code);
		ret = ret ?: insn_decode(code->bytes, code->n, bits, insn);
	}
	/* No CPU executes it: another one has just written it. */
	if (ret == -EILSEQ) {
		queue_exception(vcpu, UD_VECTOR);
		return -EAGAIN;
	}
	return ret;
}

static int tell_failure(struct vcpu *vcpu, const struct code *code)
{
	struct kvm_run *run = vcpu->run;

	exit_internal_error(vcpu, KVM_INTERNAL_ERROR_EMULATION);
	run->emulation_failure.ndata = 3;
	run->emulation_failure.flags =
		code->n ? KVM_INTERNAL_ERROR_EMULATION_FLAG_INSTRUCTION_BYTES : 0;
	run->emulation_failure.insn_size = code->n;
	memset(run->emulation_failure.insn_bytes, 0x90, INSN_MAX);
	memcpy(run->emulation_failure.insn_bytes, code->bytes, code->n);
	return EXIT_TO_USER;
}

/*
 * The instruction is beyond us: userspace gets its bytes.  But a guest's user
 * must not end its guest, unless userspace asked to hear of that too
 * (KVM_CAP_EXIT_ON_EMULATION_FAILURE).
 */
static int emulation_failed(struct vcpu *vcpu, const struct code *code)
{
	if (!guest_cpl() || READ_ONCE(vcpu->vm->exit_on_emulation_failure))
		return tell_failure(vcpu, code);
	queue_exception(vcpu, UD_VECTOR);
	return ENTER_AGAIN;
}

int mmio_fetch(struct vcpu *vcpu)
{
	const struct code none = {};

	return emulation_failed(vcpu, &none);
}

int mmio_impossible(struct vcpu *vcpu)
{
	const struct code none = {};

	return tell_failure(vcpu, &none);
}

bool io_is_current(const struct vcpu *vcpu)
{
	return vmread(GUEST_RIP) == vcpu->vmx->io.rip;
}

static bool in_apic_page(const struct vcpu *vcpu, gpa_t gpa)
{
	return vcpu->apic && vcpu->apic->mode == LAPIC_XAPIC &&
	       ((gpa ^ vcpu->msrs.apic_base) & PAGE_MASK) == 0;
}

/* Registers are 32 bits wide and aligned (SDM 3A 11.4.1). 0 or -EOPNOTSUPP. */
static int access_apic(struct vcpu *vcpu, const struct piece *piece, u32 *data, bool write)
{
	u32 offset = offset_in_page(piece->gpa);

	if (piece->len != 4 || (offset & 15))
		return -EOPNOTSUPP;
	if (write)
		apic_mmio_write(vcpu, offset, *data);
	else
		*data = apic_mmio_read(vcpu, offset);
	return 0;
}

/* The piece under way, and its part of the data. */
static struct piece *current_piece(struct emulation *emul)
{
	return &(emul->writing ? &emul->write : &emul->read)->piece[emul->at];
}

static void *current_data(struct emulation *emul)
{
	return (u8 *)&emul->data + emul->done;
}

static void piece_done(struct emulation *emul)
{
	emul->done += current_piece(emul)->len;
	emul->at++;
}

static int proceed(struct vcpu *vcpu);

static int complete_read(struct vcpu *vcpu)
{
	struct emulation *emul = &vcpu->vmx->emul;

	if (!io_is_current(vcpu))
		return ENTER_AGAIN;
	memcpy(current_data(emul), vcpu->run->mmio.data, current_piece(emul)->len);
	piece_done(emul);
	return proceed(vcpu);
}

/* The registers are those after it already, so userspace may have moved on. */
static int complete_write(struct vcpu *vcpu)
{
	piece_done(&vcpu->vmx->emul);
	return proceed(vcpu);
}

static int ask_userspace(struct vcpu *vcpu)
{
	struct emulation *emul = &vcpu->vmx->emul;
	const struct piece *piece = current_piece(emul);
	struct kvm_run *run = vcpu->run;

	run->exit_reason = KVM_EXIT_MMIO;
	run->mmio.phys_addr = piece->gpa;
	run->mmio.len = piece->len;
	run->mmio.is_write = emul->writing;
	memset(run->mmio.data, 0, sizeof(run->mmio.data));
	if (emul->writing)
		memcpy(run->mmio.data, current_data(emul), piece->len);
	vcpu->vmx->io.complete = emul->writing ? complete_write : complete_read;
	vcpu->vmx->io.rip = vmread(GUEST_RIP);
	return EXIT_TO_USER;
}

/* Everything but what is to be written: that follows at once. */
static void commit(struct vcpu *vcpu)
{
	struct emulation *emul = &vcpu->vmx->emul;
	u64 rflags = emul->result.rflags;

	emul->committed = true;
	if (insn_writes_reg(&emul->insn))
		gpr_write(vcpu, emul->insn.reg, emul->result.reg);
	if (!insn_is_string(&emul->insn) || string_advance(vcpu)) {
		/* The exit tells no length for EPT violations (SDM 3C 28.2.5): ours is decoded. */
		end_insn(vcpu, emul->insn.len);
		vmwrite(GUEST_RFLAGS, rflags & ~(u64)X86_EFLAGS_RF);
	}
	trap_if_stepped(rflags);
}

/* One piece of what is read or written.  0, EXIT_TO_USER, -EOPNOTSUPP. */
static int access_piece(struct vcpu *vcpu)
{
	struct emulation *emul = &vcpu->vmx->emul;
	const struct piece *piece = current_piece(emul);
	void *data = current_data(emul);
	int ret;

	if (in_apic_page(vcpu, piece->gpa))
		return access_apic(vcpu, piece, data, emul->writing);
	if (emul->writing)
		ret = guest_write(vcpu, piece->gpa, data, piece->len);
	else
		ret = guest_read(vcpu, piece->gpa, data, piece->len);
	if (!ret)
		return 0;
	if (emul->writing && !emul->committed)
		commit(vcpu);
	return ask_userspace(vcpu);
}

static int access_pieces(struct vcpu *vcpu)
{
	struct emulation *emul = &vcpu->vmx->emul;
	const struct span *span = emul->writing ? &emul->write : &emul->read;
	int ret;

	while (emul->at < span->nr) {
		ret = access_piece(vcpu);
		if (ret)
			return ret;
		piece_done(emul);
	}
	return 0;
}

/* All is read: what comes of it. */
static void compute(struct vcpu *vcpu)
{
	struct emulation *emul = &vcpu->vmx->emul;
	u64 reg = emul->insn.has_imm ? 0 : gpr_read(vcpu, emul->insn.reg);

	emul->result.rflags = vmread(GUEST_RFLAGS);
	insn_compute(&emul->insn, emul->data, reg, &emul->result);
	emul->data = emul->result.mem;
	emul->writing = true;
	emul->at = 0;
	emul->done = 0;
}

/* From the first access to the commit and the last write. */
static int carry_out(struct vcpu *vcpu)
{
	struct emulation *emul = &vcpu->vmx->emul;
	int ret = 0;

	if (!emul->writing) {
		ret = access_pieces(vcpu);
		if (!ret)
			compute(vcpu);
	}
	ret = ret ?: access_pieces(vcpu);
	if (!ret && !emul->committed)
		commit(vcpu);
	return ret;
}

/* What one of the functions that fail with -EAGAIN or -EOPNOTSUPP means for KVM_RUN. */
static int outcome(struct vcpu *vcpu, int ret)
{
	switch (ret) {
	case -EAGAIN:
		return ENTER_AGAIN;
	case -EOPNOTSUPP:
		return emulation_failed(vcpu, &vcpu->vmx->emul.code);
	default:
		return ret;
	}
}

static int proceed(struct vcpu *vcpu)
{
	int ret = carry_out(vcpu);

	while (!ret && string_goes_on(vcpu)) {
		ret = string_prepare(vcpu, false);
		ret = ret ?: carry_out(vcpu);
	}
	return outcome(vcpu, ret);
}

static bool span_is_memory(struct vcpu *vcpu, const struct span *span, bool write)
{
	unsigned int i;

	for (i = 0; i < span->nr; i++)
		if (!guest_is_memory(vcpu, span->piece[i].gpa, write))
			return false;
	return true;
}

/*
 * Is everything memory by now?  The CPU told otherwise, so it has changed, and
 * the CPU carries it out faster, and atomically.
 */
bool mmio_is_over(struct vcpu *vcpu)
{
	struct emulation *emul = &vcpu->vmx->emul;

	return span_is_memory(vcpu, &emul->read, false) && span_is_memory(vcpu, &emul->write, true);
}

/*
 * The operand of what is no string.  Within one page the CPU has translated and
 * checked it: @gpa is where it is.
 */
static int operand_prepare(struct vcpu *vcpu, gpa_t gpa)
{
	struct emulation *emul = &vcpu->vmx->emul;
	const struct insn *insn = &emul->insn;
	struct operand op = { .seg = insn->mem.seg, .size = insn->mem_size, .write = insn->store };
	struct span span = { .nr = 1, .piece[0] = { .gpa = gpa, .len = insn->mem_size } };
	bool within = offset_in_page(gpa) + insn->mem_size <= PAGE_SIZE;
	int ret;

	vcpu->regs[GPR_RSP] = vmread(GUEST_RSP);
	op.offset = insn_offset(&insn->mem, vcpu->regs, vmread(GUEST_RIP) + insn->len);
	ret = guest_linear(vcpu, &op, &span.gva);
	if (!ret && (!within || offset_in_page(gpa) != offset_in_page(span.gva)))
		ret = guest_span(vcpu, &op, &span);
	if (ret)
		return ret;
	/* What is half memory cannot be locked. */
	if (span.nr == 2 && (insn->lock || insn->kind == INSN_XCHG))
		return -EOPNOTSUPP;
	if (insn->load)
		emul->read = span;
	if (insn->store)
		emul->write = span;
	return mmio_is_over(vcpu) ? -EAGAIN : 0;
}

int mmio_emulate(struct vcpu *vcpu, gpa_t gpa)
{
	struct emulation *emul = &vcpu->vmx->emul;
	int ret;

	vcpu->stats.mmio++;
	/* Delivering an event touched it: there is no instruction to emulate. */
	if (vcpu->vmx->event.info)
		return exit_internal_error(vcpu, KVM_INTERNAL_ERROR_DELIVERY_EV);
	*emul = (struct emulation){ .rip = vmread(GUEST_RIP) };
	ret = fetch_and_decode(vcpu, &emul->code, &emul->insn);
	if (!ret)
		ret = insn_is_string(&emul->insn) ? string_prepare(vcpu, true) :
						    operand_prepare(vcpu, gpa);
	return ret ? outcome(vcpu, ret) : proceed(vcpu);
}
