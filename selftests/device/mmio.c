// SPDX-License-Identifier: GPL-2.0
/*
 * Instructions that touch MMIO do what they do with memory: each form is run by
 * the CPU on memory and by the emulation on MMIO, and registers, flags, memory
 * and the exits that userspace saw are compared. One that nobody knows is
 * userspace's.
 */
#include <kselftest_harness.h>
#include <errno.h>

#include "mmio_bench.h"

DECLARE_GUEST(mmio_forms);

#define SEEDS	   3
#define OTHER_PAGE 4 /* of the data slot: a string's other side */

FIXTURE(mmio)
{
	struct mmio_bench mmio;
};

FIXTURE_SETUP(mmio)
{
	ASSERT_EQ(0, mmio_open(&self->mmio));
}

FIXTURE_TEARDOWN(mmio)
{
	mmio_close(&self->mmio);
}

struct form {
	uint8_t flags, width, len;
	uint8_t bytes[];
};

static const struct form *next_form(const struct form *form)
{
	return (const void *)(form->bytes + form->len);
}

/* The operand of form at target, a string's other side in its own page. */
static void place(struct kvm_regs *regs, const struct form *form, uint64_t target, uint32_t count)
{
	bool down = regs->rflags & FLAG_DF;
	uint64_t other = DATA_GPA + OTHER_PAGE * PAGE_SIZE + (down ? 0x800 : 0x100);

	if (form->flags & FORM_REP)
		regs->rcx = count;
	if (!(form->flags & (FORM_RSI | FORM_RDI))) {
		regs->rbx = target;
		return;
	}
	regs->rsi = form->flags & FORM_RSI ? target : other;
	regs->rdi = form->flags & FORM_RDI ? target : other;
	if ((form->flags & FORM_RSI) && (form->flags & FORM_RDI))
		regs->rdi += 3; /* overlapping */
}

/* What is the same in both runs; addresses differ by delta. */
static bool same_regs(const struct kvm_regs *real, const struct kvm_regs *ours,
		      const struct form *form, int64_t delta)
{
	struct kvm_regs want = *real;
	uint64_t flags = real->rflags ^ ours->rflags;

	if (!(form->flags & (FORM_RSI | FORM_RDI)) && want.rbx - DATA_GPA < PAGE_SIZE * DATA_PAGES)
		want.rbx += delta;
	if (form->flags & FORM_RSI)
		want.rsi += delta;
	if (form->flags & FORM_RDI)
		want.rdi += delta;
	if (form->flags & FORM_LOGIC)
		flags &= ~FLAG_AF;
	want.rip = ours->rip;
	want.rflags = ours->rflags;
	return !flags && !memcmp(&want, ours, sizeof(want));
}

struct both {
	uint8_t memory[DEVICE_BYTES];
	uint8_t other[PAGE_SIZE];
	struct kvm_regs real, ours;
};

/*
 * One form at offset within two pages: by the CPU in memory at 0 of the data
 * slot, by the emulation at MMIO_GPA. Returns what is wrong, or NULL.
 */
static const char *compare(struct mmio_bench *mmio, const struct form *form, uint64_t offset)
{
	uint32_t count = 1 + rng_below(&mmio->rng, 40), width = form->width;
	struct both both;
	int ret;

	mmio_put_code(mmio, form->bytes, form->len);
	mmio_fill(mmio, both.memory, sizeof(both.memory));
	mmio_fill(mmio, both.other, sizeof(both.other));
	both.real = mmio_random_regs(mmio);
	both.ours = both.real;
	place(&both.real, form, DATA_GPA + offset, count);
	place(&both.ours, form, MMIO_GPA + offset, count);

	memcpy(mmio_ram(mmio, 0), both.memory, sizeof(both.memory));
	memcpy(mmio_ram(mmio, OTHER_PAGE * PAGE_SIZE), both.other, sizeof(both.other));
	if (mmio_run_code(mmio, &both.real) || mmio->read || mmio->written)
		return "the CPU fails";
	memcpy(mmio->device, both.memory, sizeof(both.memory));
	memcpy(both.memory, mmio_ram(mmio, 0), sizeof(both.memory));
	for (size_t i = 0; i < sizeof(both.other); i++) {
		uint8_t *now = mmio_ram(mmio, OTHER_PAGE * PAGE_SIZE + i), was = both.other[i];

		both.other[i] = *now;
		*now = was;
	}

	ret = mmio_run_code(mmio, &both.ours);
	if (ret)
		return "the emulation fails";
	if (!same_regs(&both.real, &both.ours, form, MMIO_GPA - DATA_GPA))
		return "registers";
	if (memcmp(both.memory, mmio->device, sizeof(both.memory)))
		return "what is written";
	if (memcmp(both.other, mmio_ram(mmio, OTHER_PAGE * PAGE_SIZE), sizeof(both.other)))
		return "what is written on the other side";
	if (!mmio->read != !(form->flags & FORM_READS) ||
	    !mmio->written != !(form->flags & FORM_WRITES))
		return "the direction of exits";
	if (form->flags & FORM_REP)
		return NULL;
	if (mmio->read_after_write)
		return "a write before a read";
	if (offset % PAGE_SIZE + width <= PAGE_SIZE &&
	    (mmio->read > 1 || mmio->written > 1 || mmio->widths != width))
		return "more than one access, or another width";
	return NULL;
}

TEST_F_TIMEOUT(mmio, forms_do_what_they_do_with_memory, 120)
{
	const struct form *form;
	unsigned int seed, forms = 0;
	const char *wrong;

	for (form = (const void *)guest_mmio_forms; form->flags; form = next_form(form)) {
		for (seed = 0; seed < SEEDS; seed++) {
			wrong = compare(&self->mmio, form, 0x800 + rng_below(&self->mmio.rng, 8));
			ASSERT_EQ(NULL, wrong)
			{
				TH_LOG("form %u, flags %#x, width %u: %s; exit %u", forms,
				       form->flags, form->width, wrong,
				       self->mmio.run->exit_reason);
			}
		}
		forms++;
	}
	TH_LOG("%u forms", forms);
	EXPECT_LT(150, forms);
}

TEST_F_TIMEOUT(mmio, operands_in_two_pages, 120)
{
	const struct form *form;
	const char *wrong;
	unsigned int forms = 0;

	for (form = (const void *)guest_mmio_forms; form->flags; form = next_form(form), forms++) {
		if (form->width == 1 && !(form->flags & FORM_REP))
			continue;
		if (form->flags & FORM_LOCK)
			continue; /* refused, see below */
		wrong = compare(&self->mmio, form, CROSSING);
		ASSERT_EQ(NULL, wrong)
		{
			TH_LOG("form %u, flags %#x, width %u: %s; exit %u", forms, form->flags,
			       form->width, wrong, self->mmio.run->exit_reason);
		}
	}
}

static void expect_unknown(struct __test_metadata *_metadata, struct mmio_bench *mmio,
			   const uint8_t *bytes, unsigned int len)
{
	struct kvm_run *run = mmio->run;

	ASSERT_EQ(KVM_EXIT_INTERNAL_ERROR, run->exit_reason);
	EXPECT_EQ(KVM_INTERNAL_ERROR_EMULATION, run->emulation_failure.suberror);
	ASSERT_LE(3, run->emulation_failure.ndata);
	EXPECT_EQ(KVM_INTERNAL_ERROR_EMULATION_FLAG_INSTRUCTION_BYTES,
		  run->emulation_failure.flags);
	ASSERT_LE(len, run->emulation_failure.insn_size);
	EXPECT_GE(15, run->emulation_failure.insn_size);
	EXPECT_EQ(0, memcmp(bytes, run->emulation_failure.insn_bytes, len));
}

TEST_F(mmio, an_instruction_that_nobody_knows)
{
	static const uint8_t flds[] = { 0xd9, 0x03 }, lock_two[] = { 0xf0, 0x09, 0x03 };
	struct kvm_regs regs = mmio_random_regs(&self->mmio);
	struct vm *vm = &self->mmio.bench.vm;

	ASSERT_EQ(0, vm_enable_cap(vm, KVM_CAP_EXIT_ON_EMULATION_FAILURE, 1));
	EXPECT_EQ(-EINVAL, vm_enable_cap(vm, KVM_CAP_EXIT_ON_EMULATION_FAILURE, 2));
	mmio_put_code(&self->mmio, flds, sizeof(flds));
	regs.rbx = MMIO_GPA;
	mmio_run_code(&self->mmio, &regs);
	expect_unknown(_metadata, &self->mmio, flds, sizeof(flds));
	/* Userspace can do it, or pass it by. */
	ASSERT_EQ(0, mmio_get_regs(&self->mmio, &regs));
	EXPECT_EQ(CODE_GPA, regs.rip);
	regs.rip += sizeof(flds);
	ASSERT_EQ(0, kvm_ioctl(self->mmio.bench.vcpu[0].fd, KVM_SET_REGS, &regs));
	ASSERT_EQ(KVM_EXIT_IO, mmio_go_on(&self->mmio));
	EXPECT_TRUE(bench_done(&self->mmio.bench, 0));

	/* Atomically in two pages: not by us. */
	mmio_put_code(&self->mmio, lock_two, sizeof(lock_two));
	regs.rbx = MMIO_GPA + CROSSING;
	if (kvm_device_is_kvm())
		return;
	mmio_run_code(&self->mmio, &regs);
	expect_unknown(_metadata, &self->mmio, lock_two, sizeof(lock_two));
}

/* In the last bytes of the data slot and the first behind it. */
TEST_F(mmio, half_memory_half_mmio)
{
	static const uint8_t store[] = { 0x48, 0x89, 0x03 }, load[] = { 0x48, 0x8b, 0x13 };
	const uint64_t end = DATA_GPA + DATA_PAGES * PAGE_SIZE, value = 0x1122334455667788;
	struct kvm_run *run = self->mmio.run;
	struct kvm_regs regs = mmio_random_regs(&self->mmio);
	uint8_t *last = mmio_ram(&self->mmio, DATA_PAGES * PAGE_SIZE - 3);

	mmio_put_code(&self->mmio, store, sizeof(store));
	regs.rbx = end - 3;
	regs.rax = value;
	ASSERT_EQ(0, mmio_set_regs(&self->mmio, &regs));
	ASSERT_EQ(KVM_EXIT_MMIO, bench_run(&self->mmio.bench, 0));
	EXPECT_EQ(1, run->mmio.is_write);
	EXPECT_EQ(end, run->mmio.phys_addr);
	EXPECT_EQ(5, run->mmio.len);
	EXPECT_EQ(0, memcmp(run->mmio.data, (uint8_t *)&value + 3, 5));
	EXPECT_EQ(0, memcmp(last, &value, 3));
	ASSERT_EQ(KVM_EXIT_IO, bench_run(&self->mmio.bench, 0));
	EXPECT_TRUE(bench_done(&self->mmio.bench, 0));

	mmio_put_code(&self->mmio, load, sizeof(load));
	ASSERT_EQ(0, mmio_set_regs(&self->mmio, &regs));
	ASSERT_EQ(KVM_EXIT_MMIO, bench_run(&self->mmio.bench, 0));
	EXPECT_EQ(0, run->mmio.is_write);
	EXPECT_EQ(end, run->mmio.phys_addr);
	memcpy(run->mmio.data, (uint8_t *)&value + 3, 5);
	ASSERT_EQ(KVM_EXIT_IO, bench_run(&self->mmio.bench, 0));
	ASSERT_EQ(0, mmio_get_regs(&self->mmio, &regs));
	EXPECT_EQ(value, regs.rdx);
}

TEST_HARNESS_MAIN
