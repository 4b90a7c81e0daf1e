"""What people read: tables, figures, sections and pages. Knows no analysis by name."""
