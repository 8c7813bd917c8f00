// SPDX-License-Identifier: GPL-2.0
/*
 * A vCPU and a VM: made, and taken down again.  And the vmx side of the
 * module's coming and going.
 */
#define pr_fmt(fmt) "vellum: " fmt

#include <linux/eventfd.h>
#include <linux/mm.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>

#include "compat.h"
#include "vmx/vmx.h"

atomic_long_t vellum_vms, vellum_vcpus;
const struct nested_ops *nested_ops;

static int create_parts(struct vcpu *vcpu)
{
	struct vcpu_vmx *vmx = vcpu->vmx;
	int ret;

	vcpu->run = env_shared_alloc(VCPU_RUN_PAGES * PAGE_SIZE);
	if (!vcpu->run)
		return -ENOMEM;
	if (vcpu->vm->ring_entries) {
		ret = ring_init(&vcpu->ring, vcpu->vm->ring_entries);
		if (ret)
			return ret;
	}
	if (vcpu->vm->irqchip) {
		ret = apic_create(vcpu);
		if (ret)
			return ret;
	}
	if (vcpu->vm->mmu.caps.pml) {
		vmx->pml = (u64 *)get_zeroed_page(GFP_KERNEL_ACCOUNT);
		if (!vmx->pml)
			return -ENOMEM;
	}
	ret = guest_fpu_create(vcpu);
	if (ret)
		return ret;
	ret = nested_ops ? nested_ops->create(vcpu) : 0;
	if (ret)
		return ret;
	return vmcs_create(vcpu);
}

static void destroy_parts(struct vcpu *vcpu)
{
	struct vcpu_vmx *vmx = vcpu->vmx;

	vmcs_destroy(vcpu);
	if (vmx->nested)
		nested_ops->destroy(vcpu);
	vcpu_forget(vcpu);
	guest_fpu_destroy(vcpu);
	free_page((unsigned long)vmx->pml);
	apic_destroy(vcpu);
	ring_destroy(&vcpu->ring);
	if (vcpu->ring_event)
		eventfd_ctx_put(vcpu->ring_event);
	table_cache_drain(&vcpu->tables);
	cpuid_free(&vcpu->cpuid);
	env_shared_free(vcpu->run);
	kfree(vmx);
	kfree(vcpu);
}

static void reset_state(struct vcpu *vcpu)
{
	msrs_reset(vcpu);
	tsc_create(vcpu);
	cpuid_init(&vcpu->cpuid);
	vcpu->regs[GPR_RDX] = VCPU_RESET_RDX;
	vcpu->vmx->interrupt = -1;
	vcpu->cpu = -1;
	/* With a local APIC only the boot CPU runs by itself (SDM 3A 9.4.3). */
	halt_set_state(vcpu, vcpu->vm->irqchip && vcpu->id != vcpu->vm->boot_id ?
				     KVM_MP_STATE_UNINITIALIZED :
				     KVM_MP_STATE_RUNNABLE);
	/* The VM may be logging already. */
	vcpu_request(vcpu, VCPU_REQ_PML);
}

struct vcpu *vcpu_create(struct vm *vm, u32 id, u32 index)
{
	struct vcpu *vcpu = kzalloc(sizeof(*vcpu), GFP_KERNEL_ACCOUNT);
	int ret;

	if (!vcpu)
		return ERR_PTR(-ENOMEM);
	vcpu->vmx = kzalloc(sizeof(*vcpu->vmx), GFP_KERNEL_ACCOUNT);
	if (!vcpu->vmx) {
		kfree(vcpu);
		return ERR_PTR(-ENOMEM);
	}
	vcpu->vmx->vcpu = vcpu;
	vcpu->vm = vm;
	vcpu->id = id;
	vcpu->index = index;
	vcpu->vmx->hyperv.index = index;
	mutex_init(&vcpu->mutex);
	rcuwait_init(&vcpu->wait);
	reset_state(vcpu);
	ret = create_parts(vcpu);
	if (ret) {
		destroy_parts(vcpu);
		return ERR_PTR(ret);
	}
	atomic_long_inc(&vellum_vcpus);
	return vcpu;
}

void vcpu_signal_ring(struct vcpu *vcpu)
{
	compat_eventfd_signal(vcpu->ring_event);
}

void vcpu_destroy(struct vcpu *vcpu)
{
	destroy_parts(vcpu);
	atomic_long_dec(&vellum_vcpus);
}

static void discharge(struct host *host, struct tlb_batch *batch)
{
	tlb_discharge(container_of(host, struct vm, host), batch);
}

struct vm *vm_create(void)
{
	struct vm *vm = kvzalloc(sizeof(*vm), GFP_KERNEL_ACCOUNT);
	int ret;

	if (!vm)
		return ERR_PTR(-ENOMEM);
	kref_init(&vm->refs);
	mutex_init(&vm->lock);
	mutex_init(&vm->slots_lock);
	rwlock_init(&vm->mmu.lock);
	vm->mmu.caps = vmx_mmu_caps();
	vm->identity_map = IDENTITY_MAP_DEFAULT;
	vm->mmu.kind = mmu_choose_kind(vm->mmu.caps, false);
	vm->mmu.logs_l2 = mmu_choose_logs_l2(vm->mmu.caps, false);
	ret = vm_msrs_create(vm);
	if (ret)
		goto free_vm;
	ret = ept_init(&vm->mmu);
	if (ret)
		goto free_vm;
	ret = host_init(&vm->host, &vm->mmu, discharge);
	if (ret)
		goto free_ept;
	ret = -ENOMEM;
	vm->shrinkable = shrinker_add(&vm->host);
	if (!vm->shrinkable)
		goto exit_host;
	vm_clock_create(vm);
	atomic_long_inc(&vellum_vms);
	return vm;

exit_host:
	host_exit(&vm->host);
free_ept:
	ept_destroy(&vm->mmu);
free_vm:
	vm_msrs_destroy(vm);
	kvfree(vm);
	return ERR_PTR(ret);
}

void vm_get(struct vm *vm)
{
	kref_get(&vm->refs);
}

/* No descriptor is left, so no vCPU runs and none will; notifiers still may. */
static void vm_free(struct kref *refs)
{
	struct vm *vm = container_of(refs, struct vm, refs);
	unsigned int i;

	vm_clock_destroy(vm);
	/* Elsewhere the page goes with its mm. */
	if (vm->identity_hva && current->mm == vm->host.mm)
		vm_munmap(vm->identity_hva, PAGE_SIZE);
	shrinker_remove(vm->shrinkable);
	host_exit(&vm->host);
	for (i = 0; i < vm->nr_vcpus; i++)
		vcpu_destroy(vm->vcpus[i]);
	ept_destroy(&vm->mmu);
	vm_msrs_destroy(vm);
	kvfree(vm);
	atomic_long_dec(&vellum_vms);
}

void vm_put(struct vm *vm)
{
	kref_put(&vm->refs, vm_free);
}

int vmx_init(void)
{
	int ret = vmx_caps_init();

	if (ret)
		return ret;
	ret = tlb_init();
	if (ret)
		return ret;
	msrs_init();
	ret = clock_init();
	if (ret)
		goto free_tlb;
	ret = vmx_on_init();
	if (ret)
		goto exit_clock;
	vmx_caps_tell();
	mitigate_init();
	xsave_init();
	preempt_notifier_inc();
	return 0;

exit_clock:
	clock_exit();
free_tlb:
	tlb_exit();
	return ret;
}

void vmx_exit(void)
{
	preempt_notifier_dec();
	xsave_exit();
	mitigate_exit();
	vmx_on_exit();
	clock_exit();
	tlb_exit();
}
