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
    own = [one for one in workflow.rules if "/realgap/analyses/" in str(one.snakefile) and not one.has_wildcards()]
    used = [file for one in own for file in (*one.expand_input(Wildcards())[0], *one.output)]
    return [file for file in used if file.startswith(f"{OUT}/")]


# name -> what is registered of it, in the order of the page
ANALYSES = {name: one for name, one in analyses.registered().items() if name in config["analyses"]}
for analysis in ANALYSES:

    include: f"../realgap/analyses/{analysis}/rules.smk"
