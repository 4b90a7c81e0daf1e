# The analyses that a study lists: each one's rules are in its folder and end in one that writes its section.


def tabled(name):
    """A table of an analysis, by its path in the study's folder; Snakemake's own report shows it as well."""
    return _in_report(f"{OUT}/{name}", name.split("/")[0])


def drawn(name):
    """A figure of an analysis, whose name it begins with, as PNG and SVG; Snakemake's own report shows it as well."""
    return _in_report(multiext(f"{OUT}/figures/{name}", ".png", ".svg"), name.split("_")[0])


def _in_report(files, analysis):
    return report(files, caption="../../../report/analysis.rst", category=analysis.capitalize())


def section_files():
    return expand(f"{OUT}/sections/{{analysis}}.json", analysis=ANALYSES)


def of_analyses():
    """Every file that their rules leave: what those without wildcards make, and what these read of the study."""
    listed = [one for one in workflow.rules if os.path.basename(os.path.dirname(str(one.snakefile))) in ANALYSES]
    own = [one for one in listed if not one.has_wildcards()]
    used = [file for one in own for file in (*one.expand_input(Wildcards())[0], *one.output)]
    return [file for file in used if file.startswith(f"{OUT}/")]


# name -> what is registered of it, in the order of the page
ANALYSES = {name: one for name, one in analyses.registered().items() if name in config["analyses"]}
for analysis in [name for name in analyses.ORDER if name in ANALYSES or name in analyses.BY_NAME]:

    include: f"../realgap/analyses/{analysis}/rules.smk"
