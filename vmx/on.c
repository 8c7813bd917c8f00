// SPDX-License-Identifier: GPL-2.0
/*
 * VMX operation on every CPU, and the per-CPU list of active VMCSs.
 *
 * VMX is on from load to unload: a CPU that cannot do it is then seen at load
 * and not when somebody wants a VM.  The kernel's only callback for a crash
 * (kexec, kdump) is ours meanwhile.
 */
#define pr_fmt(fmt) "vellum: " fmt

#include <linux/cpuhotplug.h>
#include <linux/module.h>
#include <linux/percpu.h>
#include <linux/reboot.h>
#include <linux/smp.h>
#include <linux/syscore_ops.h>
#include <asm/perf_event.h>
#include <asm/tlbflush.h>

#include "compat.h"
#include "vmx/caps.h"
#include "vmx/ops.h"
#include "vmx/vmx.h"

struct vmx_cpu {
	void *region; /* VMXON region, a page */
	/* vcpu_vmx.active: vCPUs whose VMCSs are not cleared; this CPU only, interrupts off */
	struct list_head active;
	bool on;
};

static DEFINE_PER_CPU(struct vmx_cpu, vmx_cpu);
DEFINE_PER_CPU(struct vcpu_vmx *, vmcs_here);
static enum cpuhp_state hotplug_state;

/* IA32_FEATURE_CONTROL allows VMX outside SMX; an unlocked one is set so (SDM 3C 24.7). */
static int allow_vmx(void)
{
	const u64 both = FEAT_CTL_LOCKED | FEAT_CTL_VMX_ENABLED_OUTSIDE_SMX;
	u64 value;

	rdmsrl(MSR_IA32_FEAT_CTL, value);
	if ((value & both) == both)
		return 0;
	if (value & FEAT_CTL_LOCKED) {
		pr_err("VT-x is locked off in IA32_FEATURE_CONTROL: turn it on in the firmware's set-up\n");
		return -EOPNOTSUPP;
	}
	return wrmsrl_safe(MSR_IA32_FEAT_CTL, value | both) ? -EOPNOTSUPP : 0;
}

static int cpu_on(struct vmx_cpu *cpu)
{
	int ret = allow_vmx();

	if (ret)
		return ret;
	if (__read_cr4() & X86_CR4_VMXE) {
		pr_err("VMX is in use on CPU %d: kvm_intel holds it\n", smp_processor_id());
		return -EBUSY;
	}
	/* Some CPUs refuse VMXON while Processor Trace runs (SDM 3C 33.5.1). */
	intel_pt_handle_vmx(1);
	cr4_set_bits(X86_CR4_VMXE);
	ret = vmxon(__pa(cpu->region));
	if (ret) {
		cr4_clear_bits(X86_CR4_VMXE);
		intel_pt_handle_vmx(0);
		pr_err("VMXON failed on CPU %d\n", smp_processor_id());
		return ret;
	}
	cpu->on = true;
	/*
	 * What an earlier owner of VMX left behind in the TLBs.  Without that type each
	 * vCPU's own is dropped when its VMCS comes to this CPU, which is enough for us.
	 */
	if (vmx_caps.choice.invept_all)
		invept(VMX_EPT_EXTENT_GLOBAL, 0, 0);
	return 0;
}

static void clear_one(struct vmcs *vmcs)
{
	if (!vmcs->region)
		return;
	if (vmclear(vmcs->pa))
		vmx_insn_failed("VMCLEAR of", vmcs->pa);
	vmcs->launched = false;
}

/* On its own CPU, interrupts off.  The VMCSs' data is in memory when this returns. */
static void clear_active(struct vcpu_vmx *vmx)
{
	clear_one(&vmx->vmcs01);
	clear_one(&vmx->vmcs02);
	clear_one(&vmx->mirror);
	if (vmcs_current() == vmx)
		__this_cpu_write(vmcs_here, NULL);
	list_del(&vmx->active);
	/* Pairs with vmcs_load(): whoever sees -1 may load it elsewhere. */
	smp_store_release(&vmx->vcpu->cpu, -1);
}

static void cpu_off(struct vmx_cpu *cpu)
{
	struct vcpu_vmx *vmx, *next;

	if (!cpu->on)
		return;
	list_for_each_entry_safe(vmx, next, &cpu->active, active)
		clear_active(vmx);
	cpu->on = false;
	compat_vmxoff();
	intel_pt_handle_vmx(0);
}

static int vmx_cpu_online(unsigned int n)
{
	struct vmx_cpu *cpu = per_cpu_ptr(&vmx_cpu, n);
	unsigned long flags;
	int ret;

	local_irq_save(flags);
	ret = cpu_on(cpu);
	local_irq_restore(flags);
	return ret;
}

static int vmx_cpu_offline(unsigned int n)
{
	unsigned long flags;

	local_irq_save(flags);
	cpu_off(per_cpu_ptr(&vmx_cpu, n));
	local_irq_restore(flags);
	return 0;
}

/* Suspend and resume of the boot CPU, the only one then: interrupts are off. */
static int vmx_suspend(COMPAT_SYSCORE_ARG)
{
	cpu_off(this_cpu_ptr(&vmx_cpu));
	return 0;
}

static void vmx_resume(COMPAT_SYSCORE_ARG)
{
	if (cpu_on(this_cpu_ptr(&vmx_cpu)))
		pr_err("VMX cannot be turned on again after the suspend: VMs will die\n");
}

DEFINE_COMPAT_SYSCORE(vmx_syscore, vmx_suspend, vmx_resume);

/*
 * The kernel is crashing or rebooting by force; NMI context, this CPU's VMCSs
 * are cleared lest their cached data is written back over the next kernel.
 * The list may be in the middle of a change: its entries are still VMCSs.
 */
static void vmx_emergency(void)
{
	struct vmx_cpu *cpu = this_cpu_ptr(&vmx_cpu);
	struct vcpu_vmx *vmx;

	if (!cpu->on)
		return;
	list_for_each_entry(vmx, &cpu->active, active) {
		vmclear(vmx->vmcs01.pa);
		if (vmx->vmcs02.region)
			vmclear(vmx->vmcs02.pa);
		if (vmx->mirror.region)
			vmclear(vmx->mirror.pa);
	}
	compat_vmxoff();
}

static void off_here(void *unused)
{
	cpu_off(this_cpu_ptr(&vmx_cpu));
}

/* An orderly reboot: firmware may hang on INIT under VMX (SDM 3C 24.8). */
static int vmx_reboot(struct notifier_block *nb, unsigned long action, void *data)
{
	on_each_cpu(off_here, NULL, 1);
	return NOTIFY_OK;
}

static struct notifier_block reboot_notifier = { .notifier_call = vmx_reboot };

static void regions_free(void)
{
	int n;

	for_each_possible_cpu(n) {
		free_page((unsigned long)per_cpu(vmx_cpu, n).region);
		per_cpu(vmx_cpu, n).region = NULL;
	}
}

static int regions_alloc(void)
{
	int n;

	for_each_possible_cpu(n) {
		struct vmx_cpu *cpu = per_cpu_ptr(&vmx_cpu, n);

		INIT_LIST_HEAD(&cpu->active);
		cpu->region = (void *)get_zeroed_page(GFP_KERNEL);
		if (!cpu->region) {
			regions_free();
			return -ENOMEM;
		}
		*(u32 *)cpu->region = vmx_caps.revision;
	}
	return 0;
}

/* kvm_intel takes VMX only for its first VM; loaded is enough to be in our way. */
static bool kvm_intel_is_loaded(void)
{
	struct kobject *kobj = kset_find_obj(THIS_MODULE->mkobj.kobj.kset, "kvm_intel");

	kobject_put(kobj);
	return kobj;
}

int vmx_on_init(void)
{
	int ret;

	if (kvm_intel_is_loaded()) {
		pr_err("kvm_intel holds VMX: unload it first (modprobe -r kvm_intel)\n");
		return -EBUSY;
	}
	ret = regions_alloc();
	if (ret)
		return ret;
	cpu_emergency_register_virt_callback(vmx_emergency);
	ret = cpuhp_setup_state(CPUHP_AP_ONLINE_DYN, "vellum:online", vmx_cpu_online,
				vmx_cpu_offline);
	if (ret < 0) {
		cpu_emergency_unregister_virt_callback(vmx_emergency);
		regions_free();
		return ret;
	}
	hotplug_state = ret;
	compat_register_syscore(&vmx_syscore);
	register_reboot_notifier(&reboot_notifier);
	return 0;
}

void vmx_on_exit(void)
{
	unregister_reboot_notifier(&reboot_notifier);
	compat_unregister_syscore(&vmx_syscore);
	cpuhp_remove_state(hotplug_state);
	cpu_emergency_unregister_virt_callback(vmx_emergency);
	regions_free();
}

static void unload_here(void *data)
{
	struct vcpu_vmx *vmx = data;
	unsigned long flags;

	local_irq_save(flags);
	/* The CPU may have gone offline, and cleared it, before this call arrived. */
	if (vmx->vcpu->cpu == smp_processor_id())
		clear_active(vmx);
	local_irq_restore(flags);
}

void vmcs_unload(struct vcpu_vmx *vmx)
{
	int cpu = READ_ONCE(vmx->vcpu->cpu);

	if (cpu >= 0)
		smp_call_function_single(cpu, unload_here, vmx, 1);
}

bool vmcs_load(struct vcpu_vmx *vmx)
{
	int cpu = smp_processor_id();
	bool moved = vmx->vcpu->cpu != cpu;
	unsigned long flags;

	if (vmcs_current() == vmx)
		return false;
	if (moved)
		vmcs_unload(vmx);
	local_irq_save(flags);
	if (moved) {
		list_add(&vmx->active, this_cpu_ptr(&vmx_cpu.active));
		WRITE_ONCE(vmx->vcpu->cpu, cpu);
	}
	__this_cpu_write(vmcs_here, vmx);
	if (vmptrld(vmx->vmcs->pa))
		vmx_insn_failed("VMPTRLD of", vmx->vmcs->pa);
	local_irq_restore(flags);
	return moved;
}

void vmx_insn_failed(const char *what, u64 operand)
{
	struct vcpu_vmx *vmx = vmcs_current();
	char why[80];

	snprintf(why, sizeof(why), "%s 0x%llx failed", what, operand);
	if (vmx)
		vm_kill(vmx->vcpu->vm, why);
	else
		pr_err_ratelimited("%s\n", why);
}
